# %% [markdown] lang="en"
r"""
# 2. Sequences, and a window that is too small

A convolution reads a text as it reads a picture: it slides a window along, and computes the same function of whatever stands in the window. With a window of nine characters it sees nine characters. This
chapter asks it a question whose answer stands further back.

## Li Hua opened the door

The example comes from the article in Chinese that this book completes: a text names 李华, Li Hua, early, and much later it is asked who "he" is. Here is such a text; every character is one input:

*Li Hua pushed the door open and came into the classroom. It was raining outside, the wind blew the leaves across the yard. The bell rang, the lesson began. He sat down.*

The last sentence begins with 他, "he". To know who that is, one must go back to the first two characters. Each character goes in as a list of zeros with a single 1, at the character's own place (*one-hot*).
"""

# %% [markdown] lang="zh"
r"""
# 2. 序列，和一个太小的窗口

卷积读文字，就像读图一样：让一个窗口滑过去，对窗口里的东西一律算同一个函数。窗口有九个字，它就只看得见九个字。这一章问它一个问题，答案却在窗口之外。

## 李华推开门

这本书要续完的那篇文章举过一个例子：文中早早提到李华，隔了很久才问：“他”是谁？下面就是这样一小段文字，每个字是一个输入。最后一句以“他”开头。“他”是谁？要回到开头两个字才知道。
输入时，每个字是一串 0，只有它自己的位置上是 1（*独热编码*）。
"""

# %%
import numpy as np
from matplotlib.figure import Figure
from minigrad.models import CNN, RNN

import minigrad as mg
from minigrad import viz

TEXT = "李华推开门走进教室。外面下着雨，风把树叶吹过院子。铃声响了，开始上课。他坐了下来。"
characters = sorted(set(TEXT))
xs = mg.one_hot(np.array([characters.index(c) for c in TEXT]), len(characters), "float32")[
    :, None
]  # (T, 1, characters)
he = TEXT.index("他")
print(f"{len(TEXT)} characters; 李华 are 0 and 1, 他 is {he}, {he - 1} steps after 华")

# %% [markdown] lang="en"
r"""
The convolution goes over time and is *causal*: its answer at $t$ depends on the nine inputs up to $t$, never on later ones. Each of the nine places has its own matrix:

$$h_t = \operatorname{relu}\Big(\sum_{a=0}^{8} x_{t-8+a} W_a + b\Big)$$

A linear layer then turns $h_t$ into eight numbers, the answer. This is the model `cnn` of the project. Beside it stands an RNN, the network with a loop of the [next chapter](3_rnn.ipynb). Both are fresh, not trained. If the answer at 他 can depend on a
character, its gradient at this character is not zero.
"""

# %% [markdown] lang="zh"
r"""
卷积沿时间进行，而且是*因果*的：它在 $t$ 处的答案只取决于到 $t$ 为止的九个输入，与后面的无关。九个位置各有一个矩阵：

$$h_t = \operatorname{relu}\Big(\sum_{a=0}^{8} x_{t-8+a} W_a + b\Big)$$

再用一个线性层把 $h_t$ 变成八个数，就是答案。这就是本项目的 `cnn` 模型。旁边放一个 RNN，也就是[下一章](3_rnn.ipynb)那种带循环的网络。两者都刚刚初始化，没有训练。“他”字处的答案如果能受某个字影响，它对这个字的梯度就不为零。
"""


# %%
def cnn(layers=1):
    return CNN(len(characters), 32, outputs=8, kernel=9, layers=layers, key=0)


window, loop = cnn(), RNN(len(characters), 32, outputs=8, key=0)


def influence(model):
    """The norm of the gradient of the answer at 他, at every character."""
    dx = mg.grad(lambda xs: mg.sum(model(xs)[he] ** 2))(xs).numpy()
    return np.linalg.norm(dx[:, 0], axis=1)


for name, model in {"convolution": window, "RNN": loop}.items():
    found = influence(model)
    reached = "".join(c for c, g in zip(TEXT, found, strict=True) if g > 0)
    print(f"{name:12} gradient at 李: {found[0]:.1e}, at 华: {found[1]:.1e};  it needs: {reached}")
assert influence(window)[:2].tolist() == [0, 0]

# %% [markdown] lang="en"
r"""
The convolution's gradient at the name is not small, it is **exactly zero**. No training can change that: whatever the weights are, the answer is a function of nine characters, and the name is none of them. The RNN has a gradient at every character up to 他. It may fade with the
distance, which is the subject of [chapter 4](4_forgetting.ipynb), but it is there.
"""

# %% [markdown] lang="zh"
r"""
卷积在名字上的梯度不是小，而是**恰好为零**。怎么训练都没有用：不管权重是什么，答案只是九个字的函数，名字不在其中。从开头到“他”，RNN 在每个字上都有梯度。梯度也许会随距离变小（那是[第 4 章](4_forgetting.ipynb)的话题），可它在。
"""

# %% en="How much the answer at 他 depends on each character. Where there is no mark the gradient is zero." zh="末句“他”字处的答案对每个字的依赖程度。没有点的地方，梯度为零。"
figure = Figure(figsize=(8, 2.6), layout="constrained")
axis = figure.subplots()
for name, model, marker in (("convolution, window of 9", window, "s"), ("RNN", loop, "o")):
    found = influence(model)
    axis.plot(np.where(found > 0, found, np.nan), marker, ms=4, label=name)
axis.axvspan(-0.5, 1.5, color="#C79A1E", alpha=0.3)
axis.set(yscale="log", xlabel="character (the name is shaded)", ylabel="norm of the gradient")
axis.legend()
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
## By distance

Now the same as a task to learn. *Delayed recall*: one of eight symbols comes with a mark, then come 1 to 20 others, then the question: which symbol had the mark? Both networks have 128 units and 1,000 updates, each with a learning rate that suits it. Then they are tested at each distance.
"""

# %% [markdown] lang="zh"
r"""
## 按距离看

把它变成一个要学的任务。*延迟回忆*（delayed recall）：八种符号中的一个带着记号出现，接着来 1 到 20 个别的符号，然后提问：带记号的是哪一个？两个网络都有 128 个单元，各更新 1,000 次，学习率各取合适的，再按距离分别考。
"""

# %%
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

LAGS = tuple(range(1, 21))


def accuracies(name, lr, steps=1000):
    """The share of right answers at each lag, after training."""
    config = Config.of(
        "delayed-recall", name, lag="1-20", hidden=128, lr=lr, schedule="cosine", steps=steps
    )
    experiment = Experiment(config)
    model, optimizer = experiment.model(), experiment.optimizer()
    state, update = optimizer.init(model), mg.jit(make_step(experiment.loss, optimizer))
    for n in range(steps):
        model, state, _ = update(model, state, *experiment.data(experiment.keys.data, n))
    return [experiment.measure(model, 200, lag=lag).means["accuracy"] for lag in LAGS]


right = {"convolution, window of 9": accuracies("cnn", lr=1e-2), "RNN": accuracies("rnn", lr=3e-3)}

# %% en="Right answers by distance. Guessing gives 12.5 %." zh="正确率随距离的变化。瞎猜是 12.5%。"
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
With up to seven symbols in between, the symbol with the mark is in the window of nine, and the convolution knows it. With eight it is outside, and the convolution guesses. There is no slope between the two: it is a cliff. The RNN answers at every distance up to 20.

One can make the window larger, or put layers on top of each other. Each layer with a window of nine adds eight steps; to look back over a page of 800 characters takes a hundred layers. And however large the window is, it ends somewhere. A *loop* has no such end. It is the subject of the [next chapter](3_rnn.ipynb).

## Exercises

**1.** How many inputs do $L$ layers with windows of $k$ see? Check with a gradient. How many layers with windows of nine does the text above take?
"""

# %% [markdown] lang="zh"
r"""
中间最多隔七个符号时，带记号的符号还在九格的窗口里，卷积答得上来；隔八个，它就出了窗口，卷积只能猜。没有缓坡，是一道悬崖。RNN 在 20 以内的每个距离上都答得出。

可以把窗口开大，也可以多叠几层。窗口为九的一层只多看八步，要看回八百字的一页，就得叠上百层。而且窗口再大，总有到头的地方。*循环*没有这样的尽头，那是[下一章](3_rnn.ipynb)的主题。

## 练习

**1.** $L$ 层、每层窗口为 $k$ 的卷积能看到几个输入？用梯度验证。上面那段文字，窗口为九，需要几层？
"""

# %% tags=["hide-cell"]
for layers in (1, 2, 3, 5):
    assert (influence(cnn(layers)) > 0).sum() == min(1 + layers * 8, he + 1)
needed = int(np.ceil((he - 1) / 8))
reached = {layers: bool(influence(cnn(layers))[1] > 0) for layers in (needed - 1, needed)}
print(
    f"1 + L(k − 1) inputs, the present one among them."
    f" Is 华, {he - 1} steps back, reached? By layers: {reached}"
)
assert reached == {needed - 1: False, needed: True}

# %% [markdown] lang="en"
r"""
**2.** *Dilated* convolutions leave gaps: in layer $l = 0, 1, \ldots$ the places of the window are $2^l$ steps apart. How many layers with windows of two see 1,024 steps?
"""

# %% [markdown] lang="zh"
r"""
**2.** *空洞*卷积留出间隔：在第 $l = 0, 1, \ldots$ 层，窗口里相邻两格隔 $2^l$ 步。每层窗口为二，要看到 1,024 步需要几层？
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
**3.** The mean of all words so far has no window, and costs almost nothing. Why is it a poor memory? Show two texts that it cannot tell apart.
"""

# %% [markdown] lang="zh"
r"""
**3.** 把到目前为止所有词取平均，没有窗口，也不花什么代价。为什么它算不上好的记忆？举出它分不清的两段话。
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
