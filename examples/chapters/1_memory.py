# %% [markdown] lang="en"
r"""
# 1. Why a network needs memory

A network that sees everything at once needs no memory. Give it a picture, and all that it must know is in the picture. But a text, a conversation, a melody come one piece
after the other, and what they mean now depends on what came before. *He closed the door.* Who? The answer is not in this sentence.

There are two simple ways out. One is to look at the last few words only. Then whatever is further away does not exist; the [next chapter](2_sequences.ipynb) shows this to the last digit. The other is
to keep *everything*, and to look at all of it for every new word. That is what attention does, and it works: today's large language models are made of it. Its price is the subject of this chapter.

## Everything with everything

For each of $n$ words, attention computes a weight for each of the words up to it. These are about $n^2$ weights. A recurrent network keeps a state of fixed size, and does the same amount of work for each word: $n$ times something.
Let us measure both on this engine: a layer of attention of width 64, and an RNN of 64 units, forward, one text of $n$ words.
"""

# %% [markdown] lang="zh"
r"""
# 1. 网络为什么需要记忆

一眼就能看全的东西，用不着记忆。给网络一张图，它要知道的都在图里。可是一段文字、一次谈话、一支旋律，是一点一点来的，现在是什么意思，要看前面说过什么。*他关上了门。*谁？答案不在这句话里。

有两个简单的办法。一个是只看最近的几个词，那么再远的就等于不存在，[下一章](2_sequences.ipynb)会把这一点算到最后一位。另一个是*全都*留着，每来一个新词，就把所有的词看一遍。
注意力机制就是这样做的，而且管用：今天的大语言模型就是用它搭起来的。这一章讲它的代价。

## 全都和全都比

共 $n$ 个词，注意力要为每个词算出它对此前每个词的权重，大约 $n^2$ 个。循环神经网络只留一个大小固定的状态，每个词的工作量一样：$n$ 乘一个常数。
就用这个引擎来量一量：一层宽 64 的注意力，一个 64 单元的 RNN，正向走过一段 $n$ 个词的文本。
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
    name: [seconds(f, np.zeros((n, 1, WIDTH), "float32")) for n in LENGTHS] for name, f in forward.items()
}
for name, times in measured.items():
    print(f"{name:10}" + ", ".join(f"{n:,}: {1000 * t:.2f} ms" for n, t in zip(LENGTHS, times, strict=True)))

# %% en="Time for a text of n words, on logarithmic scales: a slope of 1 is n, a slope of 2 is n². Measured when this page was built." zh="走完 n 个词的时间，两轴取对数：斜率 1 是 n，斜率 2 是 n²。建站时现量的。"
figure = Figure(figsize=(7, 3.2), layout="constrained")
axis = figure.subplots()
for name, times in measured.items():
    axis.plot(LENGTHS, [1000 * t for t in times], "o-", label=name)
at = np.array(LENGTHS[-3:])
axis.plot(at, 1000 * measured["attention"][-1] * (at / at[-1]) ** 2 * 1.6, "k--", lw=1, label="∝ n²")
axis.plot(at, 1000 * measured["RNN"][-1] * (at / at[-1]) * 0.5, "k:", lw=1, label="∝ n")
axis.set(xscale="log", yscale="log", xlabel="n, words", ylabel="milliseconds")
axis.legend()
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
For short texts there is little between them. Attention does all its work in a few large matrix products, and an RNN must go step by step. But the curves have different slopes. Twice the text costs the RNN twice as much, and attention, once the weights outweigh the rest, four times.

## What has to be kept

Time is one half of the price, space is the other. Attention keeps every state it was in. An RNN keeps one. Recorded for models of 100 units (`examples/results/story`, of trained models; not made by this page):
"""

# %% [markdown] lang="zh"
r"""
文本短的时候，两者差不多。注意力的工作是几个大的矩阵乘法，一次做完；RNN 只能一步步来。但两条曲线的斜率不同：文本长一倍，RNN 的代价是两倍；注意力的那些权重一旦占了大头，代价就是四倍。

## 要留下多少

时间是代价的一半，空间是另一半。注意力要留下每一个状态，RNN 只留一个。下面是 100 个单元的模型事先记录的数（`examples/results/story`，训练好的模型，不是这一页现算的）：
"""

# %%
import json
from pathlib import Path

cost = json.loads(Path("examples/results/story/cost.json").read_text(encoding="utf-8"))
for panel in cost["panels"]:
    print(panel["ylabel"])
    for name in ("rnn", "lstm", "attention", "ntm"):
        curve = panel["curves"][name]
        print(f"  {name:10}" + ", ".join(f"n = {n}: {value:g}" for n, value in curve.items()))

# %% [markdown] lang="en"
r"""
## Three places to remember

A network can keep things in three places, and most of this book is about the difference.

| where | how large | how fast it changes | how long it lasts |
|---|---|---|---|
| **weights** | large | slowly, by gradient descent over many examples | for good |
| **state** (RNN, LSTM) | small; the weights grow with its square | at every step, all of it | until it is overwritten |
| **external memory** (NTM, MANN, DNC) | as large as you like; no weight depends on it | at every step, a row or two | until its row is written |

A person has all three as well: skills, what is on your mind just now, and a notebook. The story goes from the first to the third:

* [Chapter 2](2_sequences.ipynb): no memory at all, a window. [Chapter 3](3_rnn.ipynb): a loop, and the first memory.
* [Chapter 4](4_forgetting.ipynb): why it forgets. [Chapter 5](5_lstm.ipynb): how the LSTM keeps.
* [Chapter 6](6_attention.ipynb): keep everything. [Chapter 7](7_ntm.ipynb): a memory that is written to with care. [Chapter 8](8_mann.ipynb): what it is good for, learning from one example.

## Exercises

**1.** A layer of attention of width $d$ multiplies about $2 n^2 d$ times for its weights and their use, an RNN of $d$ units about $2 n d^2$ times. For which $n$ are they equal? And at $n = 4096$, $d = 64$, by which factor do they differ?
"""

# %% [markdown] lang="zh"
r"""
## 三个记东西的地方

网络可以把东西记在三个地方，这本书大半讲的就是它们的差别。

| 在哪里 | 多大 | 变得多快 | 留多久 |
|---|---|---|---|
| **权重** | 大 | 慢，靠许多例子上的梯度下降 | 一直留着 |
| **状态**（RNN、LSTM） | 小；权重随它的平方增长 | 每一步，整个都变 | 直到被盖掉 |
| **外部记忆**（NTM、MANN、DNC） | 想多大就多大，没有权重取决于它 | 每一步，只变一两行 | 直到那一行被写 |

人也有这三样：本领，此刻心里想着的事，还有笔记本。故事就从第一样讲到第三样：

* [第 2 章](2_sequences.ipynb)：完全没有记忆，只有一个窗口。[第 3 章](3_rnn.ipynb)：一个循环，最早的记忆。
* [第 4 章](4_forgetting.ipynb)：它为什么会忘。[第 5 章](5_lstm.ipynb)：LSTM 怎样留住。
* [第 6 章](6_attention.ipynb)：全都留着。[第 7 章](7_ntm.ipynb)：小心地写的记忆。[第 8 章](8_mann.ipynb)：它有什么用，看一个例子就学会。

## 练习

**1.** 宽为 $d$ 的一层注意力，算权重和用权重大约要 $2 n^2 d$ 次乘法；$d$ 个单元的 RNN 大约要 $2 n d^2$ 次。$n$ 为多少时两者相等？$n = 4096$、$d = 64$ 时差多少倍？
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
**2.** A feed-forward network answers from the present input alone. Show with a gradient that its third answer does not depend on the inputs before.
"""

# %% [markdown] lang="zh"
r"""
**2.** 前馈网络只凭当前的输入作答。用梯度验证：它的第三个答案与之前的输入无关。
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
**3.** One could feed the last $k$ words to a feed-forward network side by side. How many weights has its first layer of $H$ units, if a word has $D$ numbers? How many for $k = 1{,}000$, beside an RNN?
"""

# %% [markdown] lang="zh"
r"""
**3.** 也可以把最近的 $k$ 个词并排喂给前馈网络。一个词有 $D$ 个数、第一层有 $H$ 个单元时，第一层有多少权重？$k = 1{,}000$ 时呢？与 RNN 比一比。
"""

# %% tags=["hide-cell"]
D, H, k = 64, 64, 1000
window, loop = k * D * H + H, mg.module.count(RNN(D, H))
print(
    f"window of {k:,} words: {window:,} weights, each position learned apart; RNN: {loop:,}, for any length"
)
assert window == 4_096_064
assert loop == 2 * 64 * 64 + 64
