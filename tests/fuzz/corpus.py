"""Programs that once failed, shrunk; every leg runs on them."""

from __future__ import annotations

from .language import Program, Step

F = "float64"


def step(op: str, *args: int, **attrs: object) -> Step:
    return Step(op, args, tuple(attrs.items()))


# A loop in a loop that is the same at every step: hoisting it took its results for one tensor.
_INNER = Program(
    0,
    (((1,), F), ((1, 1), F), ((1, 1), F), ((1,), F)),
    (step("stack", 3, 3, axis=0), step("maximum", 2, 2), step("like", 4, 0), step("tanh", 6), step("tanh", 5)),
    (7, 8, 7),
)
_OUTER = Program(
    0,
    (((2, 3), F), ((2, 3), F), ((1,), F), ((3,), F), ((1, 1), F)),
    (step("scan", 4, 4, 4, 2, body=_INNER, carries=2, sequences=0, length=2), step("item", 5, index=1)),
    (6, 6, 6),
)

# A loop in a loop whose gradient is known when it is traced: its items were looked for behind a loop that is not there.
_SAME = Program(0, (((2, 3), F), ((2, 3), F), ((3,), F), ((2,), F), ((3,), F), ((2, 2), F)), (), (4, 4, 4))

# The rows of each step are as many as the batch has at the first call: two threads took rows of both.
_TURNED = Program(0, (((3, 7), F), ((11, 7), F)), (step("tanh", 0), step("swap", 1)), (2, 3))

# All that it takes of its second argument is the shape.
_FILLED = Program(0, (((), F), ((7,), F)), (step("full", 1, value=1.0, dtype=F), step("multiply", 2, 0)), (3,))

# The gradient of what is taken from two rows of the carry fills and adds to all of them: two threads did so at different steps.
_TAKEN = Program(0, (((7, 11), F),), (step("tanh", 0), step("take", 0, index=(0, -1), axis=0)), (1, 2))

# A call whose arguments are numbers, inside a loop: nobody wrote it out.
_SIGN = Program(0, (((), F),), (step("sign", 0),), (1,))
_CALLED = Program(
    0,
    (((7,), F),),
    (step("tanh", 0), step("constant", shape=(), value=1.0, dtype=F), step("checkpoint", 2, body=_SIGN)),
    (1, 3),
)

CORPUS = {
    "a hoisted loop": Program(
        500354,
        (((2, 3), F), ((2, 1), F), ((2, 1), F)),
        (step("scan", 2, 2, 2, 2, 1, body=_OUTER, carries=2, sequences=2, checkpoint=2), step("item", 3, index=2)),
        (4,),
    ),
    "a constant item": Program(
        32,
        (((2, 2), F), ((2, 2), F), ((1, 2), "int64")),
        (
            step("take", 1, index=(1, -2, -2), axis=1),
            step("tanh", 3),
            step("scan", 4, 4, 3, 1, 3, 1, body=_SAME, carries=2, sequences=2, reverse=True, checkpoint=1),
            step("item", 5, index=2),
        ),
        (6,),
    ),
    "an empty axis rolled": Program(10006491, (((0, 3), F),), (step("roll", 0, shift=-1, axis=0),), (1,)),
    "an axis one less than another": Program(
        10050511,
        (((1, 3, 2), F), ((1, 3, 2), F)),
        (step("tail", 1, axis=1), step("min", 2, axis=-1, keepdims=False), step("divide", 0, 3)),
        (4,),
    ),
    "an axis as long as the batch": Program(
        1,
        (((3, 7), F), ((5, 11, 7), F)),
        (
            step("scan", 0, 1, body=_TURNED, carries=1, sequences=1, reverse=False),
            step("item", 2, index=0),
            step("item", 2, index=1),
        ),
        (3, 4),
    ),
    "a square reshaped": Program(1, (((7, 11), F),), (step("transpose", 0, axes=(1, 0)), step("like_shape", 1, 0)), (2,)),
    "a shape inside a checkpoint": Program(
        1,
        (((7,), F),),
        (
            step("constant", shape=(), value=1.0, dtype=F),
            step("checkpoint", 1, 0, body=_FILLED, outside=1),
            step("add", 2, 0),
        ),
        (3,),
    ),
    "an axis that becomes empty": Program(
        3,
        (((7, 11), F),),
        (step("head", 0, axis=1), step("mean", 1, axis=None, keepdims=False)),
        (2,),
    ),
    "rows for two threads": Program(
        7,
        (((7, 11), F),),
        (
            step("scan", 0, body=_TAKEN, carries=1, sequences=0, length=3),
            step("item", 1, index=0),
            step("item", 1, index=1),
        ),
        (2, 3),
    ),
    "a call of a number": Program(
        1,
        (((7,), F),),
        (step("scan", 0, body=_CALLED, carries=1, sequences=0, length=3), step("item", 1, index=0), step("item", 1, index=1)),
        (2, 3),
    ),
}
