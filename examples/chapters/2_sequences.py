# %% [markdown] lang="en"
r"""
# 2. Sequences, and a window that is too small

A convolution reads a text as it reads a picture: it slides a window along, and computes the same function of whatever stands in the window. With a window of nine characters it sees nine characters. This
chapter asks it a question whose answer stands further back.

## Li Hua opened the door

Here is a short text in Chinese; every character is one input. *Li Hua pushed the door open and came into the classroom. It was raining outside, the wind blew the leaves across the yard. The bell rang, the lesson began. He sat down.* The last sentence
says 他, "he". To know who that is one must go back to the second character.
"""

# %% [markdown] lang="zh"
r"""
# 2. 序列，和一个太小的窗口

卷积读文字，就像读图一样：让一个窗口滑过去，对窗口里的东西一律算同一个函数。窗口有九个字，它就只看得见九个字。这一章问它一个问题，答案在更前面。

## 李华推开门

下面是一小段文字，每个字是一个输入。最后一句里有一个"他"。"他"是谁？要回到第二个字才知道。
"""

# %%
import numpy as np
from matplotlib.figure import Figure
from minigrad.models import RNN

import minigrad as mg
from minigrad import viz

TEXT = "李华推开门走进教室。外面下着雨，风把树叶吹过院子。铃声响了，开始上课。他坐了下来。"
characters = sorted(set(TEXT))
xs = mg.one_hot(np.array([characters.index(c) for c in TEXT]), len(characters), "float32")[
    :, None
]  # (T, 1, characters)
he = TEXT.index("他")
print(f"{len(TEXT)} characters; 李华 are 0 and 1, 他 is {he}: {he - 1} steps in between")

# %% [markdown] lang="en"
r"""
A convolution over time, *causal*: what it says at $t$ depends on the nine inputs up to $t$.

$$y_t = \tanh\Big(\sum_{a=0}^{8} x_{t-a} W_a\Big)$$
"""

# %% [markdown] lang="zh"
r"""
沿时间做卷积，而且是*因果*的：它在 $t$ 说什么，取决于到 $t$ 为止的九个输入。

$$y_t = \tanh\Big(\sum_{a=0}^{8} x_{t-a} W_a\Big)$$
"""

# %%
TAPS = 9


class Convolutions(mg.Module):
    """Causal convolutions of `taps` steps, one on top of the other, and a linear readout: xs (T, batch, inputs) -> (T, batch, outputs)."""

    def __init__(self, inputs, hidden, outputs, layers=1, taps=TAPS, key=0):
        k = mg.random.split(mg.random.key(key), layers + 1)
        sizes = [inputs] + [hidden] * layers
        self.W = [mg.parameter(mg.init.glorot(k[n], (taps, sizes[n], hidden))) for n in range(layers)]
        self.out = mg.parameter(mg.init.glorot(k[layers], (hidden, outputs)))

    def __call__(self, xs):
        x = mg.swapaxes(mg.tensor(xs), 0, 1)
        for W in self.W:
            x = mg.tanh(mg.conv1d(x, W, padding="causal"))
        return mg.swapaxes(x, 0, 1) @ self.out


window, loop = Convolutions(len(characters), 32, 8), RNN(len(characters), 32, outputs=8, key=0)


def influence(model):
    """The norm of the gradient of what is said at 他, at every character."""
    dx = mg.grad(lambda xs: mg.sum(model(xs)[he] ** 2))(xs).numpy()
    return np.linalg.norm(dx[:, 0], axis=1)


for name, model in {"convolution": window, "RNN": loop}.items():
    found = influence(model)
    seen = "".join(c for c, g in zip(TEXT, found, strict=True) if g > 0)
    print(f"{name:12} gradient at 李: {found[0]:.1e}, at 华: {found[1]:.1e};  it depends on: {seen}")
assert influence(window)[:2].tolist() == [0, 0]

# %% [markdown] lang="en"
r"""
The convolution's gradient at the name is not small, it is **exactly zero**. No training can change that: whatever the weights are, the answer is a function of nine characters, and the name is none of them. The RNN has a gradient at every character. It may fade with the
distance, which is the subject of [chapter 4](4_forgetting.ipynb), but it is there.
"""

# %% [markdown] lang="zh"
r"""
卷积在名字上的梯度不是小，而是**恰好为零**。怎么训练都没有用：不管权重是什么，答案只是九个字的函数，名字不在其中。RNN 在每个字上都有梯度。梯度也许会随距离变小（那是[第 4 章](4_forgetting.ipynb)的话题），可它在。
"""

# %% en="How much the answer at the last sentence's first character depends on each character." zh='末句"他"字处的答案对每个字的依赖程度。'
figure = Figure(figsize=(8, 2.6), layout="constrained")
axis = figure.subplots()
for name, model, marker in (("convolution, 9 taps", window, "s"), ("RNN", loop, "o")):
    found = influence(model)
    axis.plot(np.where(found > 0, found, np.nan), marker, ms=4, label=name)
axis.axvspan(-0.5, 1.5, color="#C79A1E", alpha=0.3)
axis.set(yscale="log", xlabel="character (the name is shaded)", ylabel="norm of the gradient")
axis.legend()
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
## By distance

The same as a task. *Delayed recall*: a symbol with a mark, then 1 to 20 others, then the question. Both are trained alike, 500 updates.
"""

# %% [markdown] lang="zh"
r"""
## 按距离看

把它变成任务。*延迟回忆*：一个带记号的符号，接着 1 到 20 个别的符号，然后提问。两者训练方法相同，各更新 500 次。
"""

# %%
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

STEPS = 500
LAGS = tuple(range(1, 21))
experiment = Experiment(
    Config.of("delayed-recall", "rnn", lag="1-20", hidden=64, lr=3e-3, schedule="cosine", steps=STEPS)
)


def trained(model):
    optimizer = experiment.optimizer()
    state, update = optimizer.init(model), mg.jit(make_step(experiment.loss, optimizer))
    for n in range(STEPS):
        model, state, _ = update(model, state, *experiment.data(experiment.keys.data, n))
    return model


inputs, outputs = experiment.sizes
models = {
    "convolution, 9 taps": trained(Convolutions(inputs, 64, outputs)),
    "RNN": trained(experiment.model()),
}
right = {
    name: [experiment.measure(model, 200, lag=lag).means["accuracy"] for lag in LAGS]
    for name, model in models.items()
}

# %% en="Right answers by distance. Guessing gives 12.5 %." zh="正确率随距离的变化。瞎猜是 12.5 %。"
figure = Figure(figsize=(8, 2.6), layout="constrained")
axis = figure.subplots()
for name, accuracy in right.items():
    axis.plot(LAGS, [100 * a for a in accuracy], "o-", ms=4, label=name)
axis.axhline(12.5, color="k", ls=":", lw=1)
axis.set(xlabel="symbols in between", ylabel="right (%)", ylim=(0, 103), xticks=LAGS)
axis.legend()
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
With up to seven symbols in between the mark is in the window of nine, and the convolution knows. With eight it is outside, and it guesses. There is no slope between: it is a cliff.

One can make the window larger, or stack layers. Each layer of nine taps adds eight steps; to look back over a page takes a hundred layers. And however large the window is, it ends somewhere. A *loop* has no end. It is the subject of the [next chapter](3_rnn.ipynb).

## Exercises

**1.** How many steps back do $L$ layers of $k$ taps see? Check with a gradient. How many layers of nine taps does it take for the text above?
"""

# %% [markdown] lang="zh"
r"""
中间隔到七个符号，记号还在九格的窗口里，卷积答得上来；隔八个，记号出了窗口，它就只能猜。没有缓坡，是一道悬崖。

可以把窗口开大，也可以多叠几层。每层九格只多看八步，要看回一页纸就得叠上百层。而且窗口再大，总有到头的地方。*循环*没有头，那是[下一章](3_rnn.ipynb)的主题。

## 练习

**1.** $L$ 层、每层 $k$ 格的卷积能看到多少步之前？用梯度验证。上面那段文字需要几层九格的卷积？
"""

# %% tags=["hide-cell"]
for layers in (1, 2, 3, 5):
    found = influence(Convolutions(len(characters), 16, 8, layers))
    assert (found > 0).sum() == min(1 + layers * (TAPS - 1), he + 1)
needed = int(np.ceil((he - 1) / (TAPS - 1)))
print(f"1 + L(k − 1) inputs, itself among them; {needed} layers reach 华, {he - 1} steps back")
assert (
    influence(Convolutions(len(characters), 16, 8, needed))[1]
    > 0
    == influence(Convolutions(len(characters), 16, 8, needed - 1))[1]
)

# %% [markdown] lang="en"
r"""
**2.** *Dilated* convolutions leave gaps: layer $l$ takes every $2^l$-th step. How many layers of two taps see 1,024 steps?
"""

# %% [markdown] lang="zh"
r"""
**2.** *空洞*卷积留出间隔：第 $l$ 层每隔 $2^l$ 步取一格。每层两格，看 1,024 步要几层？
"""


# %% tags=["hide-cell"]
def dilated(x, layers):
    for level in range(layers):
        x = mg.conv1d(x, mg.ones((2, 1, 1)), padding="causal", dilation=2**level)
    return x


seen = mg.grad(lambda x: mg.sum(dilated(x, 10)[-1]))(mg.ones((2000, 1))).numpy()
print("ten layers see", int((seen > 0).sum()), "steps")
assert (seen > 0).sum() == 1024

# %% [markdown] lang="en"
r"""
**3.** The mean of all words so far has no window, and costs nothing. Why is it no memory? Show two texts that it cannot tell apart.
"""

# %% [markdown] lang="zh"
r"""
**3.** 把到目前为止所有词取平均，没有窗口，也不花什么代价。为什么它不算记忆？举出它分不清的两段话。
"""


# %% tags=["hide-cell"]
def mean_of(words):
    vocabulary = ["dog", "bites", "man"]
    return mg.mean(
        mg.one_hot(np.array([vocabulary.index(w) for w in words.split()]), 3, "float32"), 0
    ).numpy()


a, b = mean_of("dog bites man"), mean_of("man bites dog")
print(a, b)  # the order is lost, and with it who did what
assert (a == b).all()
