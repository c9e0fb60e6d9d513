"""The page that says which primitive each bridge takes, and what it refuses and why: made from the bridges' own tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from minigrad.export.jax import gradients, jaxprs
from minigrad.export.jax import rules as to_jax
from minigrad.export.onnx_model import RULES as TO_ONNX
from minigrad.export.onnx_model.writer import REFUSALS as NOT_IN_ONNX
from minigrad.export.refusal import Refusal
from minigrad.table import TABLE

from .docstrings import escaped

YES = "✓"
# {language: {what: words}}
WORDS = {
    "en": {
        "title": "Bridges, primitive by primitive",
        "intro": "Made from the bridges' tables of rules. ✓: taken, with minigrad's numbers. Otherwise what is refused, by an error with "
        "these words, and what to do instead. What concerns every primitive stands below.",
        "primitive": "primitive",
        "torch": "``export.torch``",
        "all": "refused",
        "forward": "forward mode (``jax.jvp``) refused: the gradient is minigrad's own rule",
        "every": "Every primitive",
        "torch_all": "PyTorch: forward and backward are compiled programs, so every primitive is taken. The transformations of torch.func "
        "and forward mode are minigrad's own. Other devices than the CPU are refused by name.",
        "jax_all": "JAX: the functions are JAX's own, on every device. JAX cannot raise for a value: an index out of bounds gives NaN, or "
        "the lowest integer.",
        "onnx_all": "ONNX: float16 and bfloat16 are refused. The file stops with an error that names the size or the index that is wrong.",
        "from": "From JAX",
        "from_intro": "``from_jax`` reads these primitives of JAX, of numbers that are not complex:",
        "from_not": "It refuses all others by their name; ``viz`` draws them as boxes. Of the public ones these are:",
    },
    "zh": {
        "title": "与其他库往来，逐个运算",
        "intro": "由各个库的规则表生成。✓：可以，数值与 minigrad 相同。否则写明拒绝什么（报错用的就是这些话，只有英文），"
        "以及该怎么办。与所有运算有关的，写在表的后面。",
        "primitive": "运算",
        "torch": "``export.torch``",
        "all": "拒绝",
        "forward": "拒绝前向求导（``jax.jvp``）：它的梯度是 minigrad 自己的规则",
        "every": "所有运算",
        "torch_all": "PyTorch：前向和反向都是编译好的程序，所以每个运算都可以。"
        "torch.func 的变换和前向求导，用的是 minigrad 自己的。CPU 以外的设备，点名拒绝。",
        "jax_all": "JAX：用的就是 JAX 自己的函数，在哪种设备上都行。JAX 不能因为数值而报错：越界的下标给出 NaN，或最小的整数。",
        "onnx_all": "ONNX：拒绝 float16 和 bfloat16。文件运行时，尺寸或下标不对就停下来，报错说明是哪一个。",
        "from": "从 JAX 来",
        "from_intro": "``from_jax`` 能读 JAX 的这些运算（复数除外）：",
        "from_not": "其余的都点名拒绝；``viz`` 把它们画成方框。公开的运算里，有这些：",
    },
}


def cell(name: str, rules: Mapping[str, object], refusals: Mapping[str, Refusal], words: Mapping[str, str]) -> str:
    """What a bridge does with a primitive. Raises KeyError where it has neither a rule nor a refusal."""
    if name not in refusals:
        return YES if rules[name] else ""
    of, why, fix = refusals[name]
    text = escaped(f"{why}. {fix}.")
    return f"{YES}; {words['all']} {escaped(of)}: {text}" if of else f"{words['all']}: {text}"


def rows(language: str) -> Iterator[tuple[str, str, str, str]]:
    """For each primitive its name, and what to_jax, onnx and torch do with it."""
    words = WORDS[language]
    for name in sorted(TABLE):
        jax = cell(name, to_jax.RULES, to_jax.REFUSALS, words)
        forward = f"; {words['forward']}" if name in gradients.OWN else ""
        yield name, f"{jax}{forward}", cell(name, TO_ONNX, NOT_IN_ONNX, words), YES


def from_jax() -> tuple[list[str], list[str]]:
    """JAX's public primitives that from_jax reads, and those that it refuses."""
    from jax.extend.core import Primitive, primitives

    read = {*jaxprs.RULES, *jaxprs.OWN_GRADIENT}
    return sorted(read), sorted({p.name for p in vars(primitives).values() if isinstance(p, Primitive)} - read)


def page(language: str) -> Iterator[str]:
    words = WORDS[language]
    yield from (words["title"], "=" * 2 * len(words["title"]), "", words["intro"], "")
    yield from (".. list-table::", "   :header-rows: 1", "   :widths: 14 32 40 14", "")
    for row in (
        (words["primitive"], "``to_jax``", "``onnx``", words["torch"]),
        *((f"``{name}``", *rest) for name, *rest in rows(language)),
    ):
        yield from (f"   {'*' if i == 0 else ' '} - {text}" for i, text in enumerate(row))
    yield from ("", words["every"], "-" * 2 * len(words["every"]), "")
    yield from (f"* {words[key]}" for key in ("torch_all", "jax_all", "onnx_all"))
    read, refused = from_jax()
    yield from ("", words["from"], "-" * 2 * len(words["from"]), "", words["from_intro"], "", ", ".join(f"``{n}``" for n in read), "")
    yield from (words["from_not"], "", ", ".join(f"``{n}``" for n in refused), "")
