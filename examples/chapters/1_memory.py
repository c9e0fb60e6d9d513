# %% [markdown] lang="en"
r"""
# 1. Why a network needs memory

A network that sees everything at once needs no memory. Give it a picture, and all that it must know is in the picture. But a text, a conversation or a melody comes piece by piece,
and what it means now depends on what came before. *He closed the door.* Who? The answer is not in this sentence.

There are two simple ways out. One is to look at the last few words only. Then whatever is further away does not exist; the [next chapter](2_sequences.ipynb) shows this exactly. The other is
to keep *everything*, and to look at all of it for every new word. That is what **attention** does: for each word it takes a weighted mean of all words so far, and computes the weights from the words ([chapter 6](6_attention.ipynb)). It works: today's large language models are made of it. Its price is the subject of this chapter.

## Everything with everything

For each of $n$ words, attention computes a weight for each of the words up to it: in all $n(n+1)/2$ weights, so they grow as $n^2$. (The layer below computes all $n^2$, and a *causal mask* sets those of later words to zero.) A **recurrent neural network** (RNN, [chapter 3](3_rnn.ipynb)) keeps a state of fixed size, and does the same amount of work for each word: the work grows as $n$.
Let us measure both on this engine: a layer of attention of width 64 (each word is 64 numbers), and an RNN of 64 units. Only the forward pass, for one text of $n$ words.
"""

# %% [markdown] lang="zh"
r"""
# 1. 网络为什么需要记忆

一眼就能看全的东西，用不着记忆。给网络一张图，它要知道的都在图里。可是一段文字、一次谈话、一支旋律，是一点一点来的，现在是什么意思，要看前面说过什么。“他关上了门。”谁？答案不在这句话里。

有两个简单的办法。一个是只看最近的几个词，那么再远的就等于不存在，[下一章](2_sequences.ipynb)会把这一点算得明明白白。另一个是*全都*留着，每来一个新词，就把所有的词看一遍。
**注意力机制**就是这样做的：为每个词，把到此为止的所有词加权平均，权重由这些词自己算出来（见[第 6 章](6_attention.ipynb)）。它管用：今天的大语言模型就是用它搭起来的。这一章讲它的代价。

## 每个词都看每个词

共 $n$ 个词，注意力要为每个词算出它对到此为止每个词的权重，一共 $n(n+1)/2$ 个，按 $n^2$ 增长。（下面这一层其实算了全部 $n^2$ 个，再用*因果掩码*把后面的词的权重置零。）**循环神经网络**（RNN，见[第 3 章](3_rnn.ipynb)）只留一个大小固定的状态，每个词的工作量一样，总量按 $n$ 增长。
就用这个引擎来量一量：一层宽 64 的注意力（每个词是 64 个数），一个 64 单元的 RNN，都只做前向计算，走过一段 $n$ 个词的文本。
"""

# %%
import time

import numpy as np
from matplotlib.figure import Figure
from minigrad.models import RNN, MultiHead, causal

import minigrad as mg
from minigrad import viz

WIDTH = 64
LENGTHS = 64, 128, 256, 512, 1024, 2048, 4096
attention, rnn = MultiHead(WIDTH, heads=1, key=0), RNN(WIDTH, WIDTH, key=0)
forward = {
    "attention": mg.jit(lambda xs: attention(xs, mask=causal(xs.shape[0]))),
    "RNN": mg.jit(lambda xs: rnn(xs)),
}


def seconds(f, xs):
    """The best of three calls, after one that compiles."""
    f(xs)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        f(xs)
        times.append(time.perf_counter() - start)
    return min(times)


measured = {
    name: [seconds(f, np.zeros((n, 1, WIDTH), "float32")) for n in LENGTHS]
    for name, f in forward.items()
}
for name, times in measured.items():
    print(
        f"{name:10}"
        + ", ".join(f"{n:,}: {1000 * t:.2f} ms" for n, t in zip(LENGTHS, times, strict=True))
    )

# %% en="Time for a text of n words, on logarithmic scales: a slope of 1 is n, a slope of 2 is n². Measured when this page was built." zh="走完 n 个词的时间，两轴都取对数：斜率为 1 就是按 n 增长，斜率为 2 就是按 n² 增长。建站时实测。"
figure = Figure(figsize=(7, 3.2), layout="constrained")
axis = figure.subplots()
for name, times in measured.items():
    axis.plot(LENGTHS, [1000 * t for t in times], "o-", label=name)
at = np.array(LENGTHS[-3:])
axis.plot(
    at, 1000 * measured["attention"][-1] * (at / at[-1]) ** 2 * 1.6, "k--", lw=1, label="∝ n²"
)
axis.plot(at, 1000 * measured["RNN"][-1] * (at / at[-1]) * 0.5, "k:", lw=1, label="∝ n")
axis.set(xscale="log", yscale="log", xlabel="n, words", ylabel="milliseconds")
axis.legend()
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
For short texts the two take similar times. Attention does all its work in a few large matrix products, and an RNN must go step by step. But the curves have different slopes. On long texts, twice the words cost the RNN twice the time. They cost attention almost four times the time, because the $n^2$ weights are then most of its work.

## What has to be kept

Time is one half of the price, space is the other. Below are recorded numbers for models of 100 units (`examples/results/story`; not made by this page): the bytes that a model holds for a sequence of $n$ items, divided by $n$.
"""

# %% [markdown] lang="zh"
r"""
文本短的时候，两者差不多。注意力的工作是几个大的矩阵乘法，一次做完；RNN 只能一步步来。但两条曲线的斜率不同。文本长了以后，再长一倍，RNN 的时间是原来的两倍，注意力却接近四倍，因为这时工作大半花在那 $n^2$ 个权重上。

## 要留下多少

时间是代价的一半，空间是另一半。下面是事先记录的数（`examples/results/story`，100 个单元的模型，不是这一页现算的）：模型为 $n$ 项的序列占用的字节数，除以 $n$。
"""

# %%
import json
from pathlib import Path

cost = json.loads(Path("examples/results/story/cost.json").read_text(encoding="utf-8"))
held = cost["panels"][1]
print(held["ylabel"])
for name in ("rnn", "lstm", "attention", "ntm"):
    print(
        f"{name:10}" + ", ".join(f"n = {n}: {value:g}" for n, value in held["curves"][name].items())
    )

# %% [markdown] lang="en"
r"""
An RNN of 100 units holds 100 numbers of 4 bytes, whatever $n$ is; for each item that is less and less. The LSTM holds two such states ([chapter 5](5_lstm.ipynb)). The NTM, a Neural Turing Machine ([chapter 7](7_ntm.ipynb)), holds a memory of fixed size beside its states. What attention holds *for each item* grows with $n$: it keeps
the state of every item, and its $n^2$ weights are in memory at the same time.

## Three places to remember

A network can keep things in three places, and most of this book is about the difference.

| where | how large | how fast it changes | how long it lasts |
|---|---|---|---|
| **weights** | large | slowly, by gradient descent over many examples | for good |
| **state** (RNN, LSTM) | small: the number of weights grows with its square | at every step, all of it | until it is overwritten |
| **external memory** (NTM, MANN, DNC), a table with rows | as many rows as you like: the number of weights does not depend on it | at every step, mainly a row or two | until its row is written again |

A person has all three as well: skills, what is on your mind just now, and a notebook. The book goes from the second to the third:

* [Chapter 2](2_sequences.ipynb): no memory at all, a window. [Chapter 3](3_rnn.ipynb): a loop, and the first memory.
* [Chapter 4](4_forgetting.ipynb): why it forgets. [Chapter 5](5_lstm.ipynb): how the LSTM (long short-term memory) keeps.
* [Chapter 6](6_attention.ipynb): attention, which keeps everything. [Chapter 7](7_ntm.ipynb): the Neural Turing Machine, which chooses what it writes to an external memory, and where. [Chapter 8](8_mann.ipynb): memory-augmented neural networks (MANN), and what the memory is good for, learning from one example.
* [Chapter 9](9_after.ipynb): what came after, the DNC (differentiable neural computer) and others.

## Exercises

**1.** A layer of attention of width $d$ multiplies about $2 n^2 d$ times: $n^2 d$ for its weights and $n^2 d$ for the weighted means. An RNN of $d$ units multiplies about $2 n d^2$ times. For which $n$ are they equal? By which factor do they differ at $n = 4096$, $d = 64$?
"""

# %% [markdown] lang="zh"
r"""
100 个单元的 RNN，不管 $n$ 多大，都只占 100 个数，每个 4 字节，摊到每一项上越来越少。LSTM 占两份这样的状态（见[第 5 章](5_lstm.ipynb)）。神经图灵机（NTM，见[第 7 章](7_ntm.ipynb)）除了状态，还有一块大小固定的记忆。注意力摊到*每一项*上的却随 $n$ 增长：它留着每一项的状态，
而且 $n^2$ 个权重同时放在内存里。

## 三个记东西的地方

网络可以把东西记在三个地方，这本书大半讲的就是它们的差别。

| 在哪里 | 多大 | 变得多快 | 留多久 |
|---|---|---|---|
| **权重** | 大 | 慢，靠许多例子上的梯度下降 | 一直留着 |
| **状态**（RNN、LSTM） | 小：权重的个数随它的平方增长 | 每一步，整个都变 | 直到被盖掉 |
| **外部记忆**（NTM、MANN、DNC），一张有许多行的表 | 想要多少行就多少行，权重的个数与它无关 | 每一步，主要只变一两行 | 直到那一行被重写 |

人也有这三样：本领，此刻心里想着的事，还有笔记本。这本书就从第二样讲到第三样：

* [第 2 章](2_sequences.ipynb)：完全没有记忆，只有一个窗口。[第 3 章](3_rnn.ipynb)：一个循环，最早的记忆。
* [第 4 章](4_forgetting.ipynb)：它为什么会忘。[第 5 章](5_lstm.ipynb)：长短期记忆（LSTM）怎样留住。
* [第 6 章](6_attention.ipynb)：注意力机制，全都留着。[第 7 章](7_ntm.ipynb)：神经图灵机（NTM），自己挑选写什么、写到外部记忆的哪里。[第 8 章](8_mann.ipynb)：记忆增强神经网络（MANN），外部记忆有什么用：一次学习，看一个例子就会。
* [第 9 章](9_after.ipynb)：后来的模型，DNC（可微神经计算机）等等。

## 练习

**1.** 宽为 $d$ 的一层注意力大约要 $2 n^2 d$ 次乘法：算权重 $n^2 d$ 次，加权平均 $n^2 d$ 次；$d$ 个单元的 RNN 大约要 $2 n d^2$ 次。$n$ 为多少时两者相等？$n = 4096$、$d = 64$ 时差多少倍？
"""


# %% tags=["hide-cell"]
def multiplications(n, d):
    return {"attention": 2 * n**2 * d, "rnn": 2 * n * d**2}


assert multiplications(64, 64)["attention"] == multiplications(64, 64)["rnn"]  # at n = d
m = multiplications(4096, 64)
print(
    "equal at n = d; at 4,096 words attention multiplies",
    m["attention"] // m["rnn"],
    "times as often",
)

# %% [markdown] lang="en"
r"""
**2.** A feed-forward network answers from the present input alone. Show with a gradient that its third answer does not depend on the inputs before the third.
"""

# %% [markdown] lang="zh"
r"""
**2.** 前馈网络只凭当前的输入作答。用梯度验证：它的第三个答案与第三个之前的输入无关。
"""

# %% tags=["hide-cell"]
from minigrad.models import FeedForwardNetwork

network = FeedForwardNetwork(inputs=4, hidden=8, outputs=2, key=0)
xs = np.random.default_rng(0).standard_normal((5, 1, 4), dtype="float32")
dx = np.linalg.norm(mg.grad(lambda xs: mg.sum(network(xs)[2]))(xs).numpy()[:, 0], axis=1)
print("gradient of the third answer at each input:", dx.round(3))
assert (dx > 0).tolist() == [False, False, True, False, False]

# %% [markdown] lang="en"
r"""
**3.** One could give the last $k$ words, side by side, to a feed-forward network. A word is $D$ numbers, and the first layer has $H$ units. How many parameters has this layer? Compare it with an RNN for $k = 1{,}000$ and $D = H = 64$.
"""

# %% [markdown] lang="zh"
r"""
**3.** 也可以把最近的 $k$ 个词并排交给前馈网络。一个词是 $D$ 个数，第一层有 $H$ 个单元，这一层有多少参数？取 $k = 1{,}000$、$D = H = 64$，与 RNN 比一比。
"""

# %% tags=["hide-cell"]
D, H, k = 64, 64, 1000
window, loop = k * D * H + H, mg.module.count(RNN(D, H))
print(
    f"window of {k:,} words: {window:,} parameters, each position learned apart;"
    f" RNN: {loop:,}, for any length"
)
assert window == 4_096_064
assert loop == 2 * 64 * 64 + 64
