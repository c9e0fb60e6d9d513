# %% [markdown] lang="en"
r"""
# 5. LSTM: a short-term memory that lasts

A network has two kinds of memory. Its *weights* change slowly, over thousands of examples: that is its long-term memory. Its *state* changes at every step and is gone with the sequence: that is its short-term memory. The [last chapter](4_forgetting.ipynb) showed how short it is. Hochreiter and Schmidhuber (1997) built a short-term memory that lasts long, and gave it just that name: **long short-term memory**.

## The idea: add, do not multiply

At each step the RNN replaces its whole state: it multiplies by a matrix and applies $\tanh$. The LSTM has a second state, the *cell* $c$, that can be left alone:

$$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$

The old content $c_{t-1}$ times $f_t$, plus the new content $g_t$ times $i_t$; $f_t$ and $i_t$ are numbers between 0 and 1, and $\odot$ multiplies element by element. No matrix stands between $c_{t-1}$ and $c_t$, and no $\tanh$. So

$$\frac{\partial c_t}{\partial c_{t-1}} = \operatorname{diag}(f_t) + \cdots$$

and where $f$ is 1, the gradient goes back along $c$ as it came. (The dots stand for a second way: $f_t$, $i_t$ and $g_t$ depend on the past as well, through $h_{t-1}$.)

## Gate by gate

A *gate* is a layer with a sigmoid: each of its numbers is between 0, shut, and 1, open. All of them look at the input $x_t$ and at the last output $h_{t-1}$. We write $[x_t; h_{t-1}]$ for the two side by side; in the code each has its own matrix, and the products are added, which is the same.
"""

# %% [markdown] lang="zh"
r"""
# 5. LSTM：长久的短期记忆

网络有两种记忆。*权重*变得很慢，要看成千上万个例子：这是长期记忆。*状态*每一步都在变，序列一结束就没了：这是短期记忆。[上一章](4_forgetting.ipynb)看到，它短得可怜。Hochreiter 与 Schmidhuber（1997）造出了一种能保持很久的短期记忆，名字说的就是这件事：**长短期记忆**（long short-term memory）。要这样断句：长的“短期记忆”。

## 想法：用加，不用乘

RNN 每一步都把整个状态换掉：先乘矩阵，再过 $\tanh$。LSTM 另有一个状态，叫*细胞状态* $c$（cell），可以原样留着不动：

$$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$

旧内容 $c_{t-1}$ 乘 $f_t$，新内容 $g_t$ 乘 $i_t$，再相加；$f_t$、$i_t$ 是 0 到 1 之间的数，$\odot$ 是逐个元素相乘。$c_{t-1}$ 与 $c_t$ 之间没有矩阵，也没有 $\tanh$。于是

$$\frac{\partial c_t}{\partial c_{t-1}} = \operatorname{diag}(f_t) + \cdots$$

只要 $f$ 等于 1，梯度沿 $c$ 往回走就分毫不少。（省略号是另一条路：$f_t$、$i_t$、$g_t$ 也通过 $h_{t-1}$ 和过去有关。）

## 一个门一个门地看

*门*就是用 sigmoid 的一层，每个数都在 0（关）和 1（开）之间。它们都看当前的输入 $x_t$ 和上一步的输出 $h_{t-1}$。两者并排记作 $[x_t; h_{t-1}]$；代码里各乘各的矩阵再相加，是一回事。
"""

# %%
import numpy as np
from minigrad.models import GRU, LSTM, RNN

import minigrad as mg
from minigrad import viz

rng = np.random.default_rng(0)
lstm = LSTM(inputs=3, hidden=4, key=0)
xs = rng.standard_normal((6, 1, 3), dtype="float32")


def gate(k, x, h):
    """The k-th block of the weights: 0 is i, 1 is f, 2 is g, 3 is o."""
    at = slice(4 * k, 4 * k + 4)
    return x @ lstm.W_x[:, at] + h @ lstm.W_h[:, at] + lstm.b[at]


# %% [markdown] lang="en"
r"""
**What to forget.** $f_t = \sigma(W_f [x_t; h_{t-1}] + b_f)$. One number for each number in the cell. The bias starts at 1, so that at first $f$ is about $\sigma(1) = 0.73$: a fresh LSTM keeps more than it forgets.
"""

# %% [markdown] lang="zh"
r"""
**忘掉什么：遗忘门。** $f_t = \sigma(W_f [x_t; h_{t-1}] + b_f)$。细胞里的每个数都有自己的一个。偏置从 1 开始，所以最初 $f$ 大约是 $\sigma(1) = 0.73$：刚初始化的 LSTM 记住的比忘掉的多。
"""


# %%
def forget(x, h):
    return mg.sigmoid(gate(1, x, h))


# %% [markdown] lang="en"
r"""
**What to write, and whether.** $g_t = \tanh(\cdot)$ is the candidate, $i_t = \sigma(\cdot)$ says how much of it goes in. Two layers for one thing: *what* and *whether* are different questions.
"""

# %% [markdown] lang="zh"
r"""
**写什么，写不写：输入门。** $g_t = \tanh(\cdot)$ 是候选内容，$i_t = \sigma(\cdot)$ 决定放进去多少。一件事用两层，因为“写什么”和“写不写”是两个问题。
"""


# %%
def candidate(x, h):
    return mg.tanh(gate(2, x, h))


def accept(x, h):
    return mg.sigmoid(gate(0, x, h))


# %% [markdown] lang="en"
r"""
**What to say.** $h_t = o_t \odot \tanh(c_t)$ with $o_t = \sigma(\cdot)$. This is the difference between the two states: $c$ is what is *known*, $h$ is what is *said now*. While $o$ is shut, the cell keeps its content to itself,
and does not disturb the gates and the layers above until the time has come.
"""

# %% [markdown] lang="zh"
r"""
**说什么：输出门。** $h_t = o_t \odot \tanh(c_t)$，其中 $o_t = \sigma(\cdot)$。两个状态的分别就在这里：$c$ 是心里*知道*的，$h$ 是此刻*说出来*的。$o$ 关着的时候，细胞把东西藏在心里，
不去打扰各个门和上面的层，等时候到了再说。
"""


# %%
def step(h, c, x):
    c = forget(x, h) * c + accept(x, h) * candidate(x, h)
    o = mg.sigmoid(gate(3, x, h))
    return o * mg.tanh(c), c


h = c = mg.zeros((1, 4))
for x in xs:
    h, c = step(h, c, mg.tensor(x))
difference = np.abs(h.numpy() - lstm(xs)[-1].numpy()).max()
print("this step and minigrad.models.LSTM differ by", difference)
assert difference < 1e-6

# %% [markdown] lang="en"
r"""
That is the whole LSTM. Here it is as textbooks draw it, on the left with its loop, on the right unfolded. The line on top that runs straight through is $c$:
"""

# %% [markdown] lang="zh"
r"""
这就是 LSTM 的全部。下面照教科书的画法，左边带着循环，右边展开；上面那条笔直穿过去的线就是 $c$：
"""


# %% en="An LSTM, and the same unfolded over three steps." zh="LSTM，以及把它展开三步。"
def last(model, xs):
    return mg.mean(model(xs)[-1] ** 2)


viz.rolled(last, lstm, xs, level="cell", steps=3)

# %% [markdown] lang="en"
r"""
## The cell keeps

Open the forget gate wide and shut the input gate, by hand, through their biases. What is in the cell then stays there for a thousand steps, whatever the inputs, and so does the gradient.
"""

# %% [markdown] lang="zh"
r"""
## 细胞留得住

动手改偏置：遗忘门大开，输入门关死。不管来什么输入，细胞里的东西一千步都不变，梯度也不变。
"""

# %%
keeper = LSTM(inputs=3, hidden=4, key=0)
b = keeper.b.numpy().copy()
b[0:4], b[4:8] = -20, 20  # i shut, f open
keeper.b = mg.parameter(b)
noise = rng.standard_normal((1000, 1, 3), dtype="float32")


def kept(c):
    _, state = keeper.run(noise, keeper.initial_state(1)._replace(c=c))
    return state.c


start = mg.tensor(np.array([[0.5, -0.5, 1.0, 0.1]], "float32"))
print("after 1,000 steps of noise:", kept(start).numpy().round(5))
slopes = np.diag(mg.jacobian(kept)(start).numpy().reshape(4, 4))
print("derivative of each number by its first value:", slopes.round(5))
assert np.abs(slopes - 1).max() < 1e-3

# %% [markdown] lang="en"
r"""
So it is the forget gate that decides. Below is the gradient of the last output in three fresh networks of eight units: an RNN, an LSTM whose forget bias is 1, and an LSTM whose biases were drawn for dependencies of up to 100 steps (*chrono* initialisation, Tallec and Ollivier 2018: large for $f$, and small for $i$). In the
LSTMs follow the upper line, $c$. With the bias 1 it fades almost as fast as in the RNN; with the large biases its colour hardly changes. The factor of a step stands under each network: about 0.6, 0.7 and 0.95.
"""

# %% [markdown] lang="zh"
r"""
可见起决定作用的是遗忘门。下图是三个都没有训练过、各有八个单元的网络，颜色是最后一个输出的梯度：一个 RNN，一个遗忘门偏置为 1 的 LSTM，一个按最长 100 步的依赖来取偏置的 LSTM（*chrono* 初始化，Tallec 与 Ollivier 2018：$f$ 的偏置大，$i$ 的偏置小）。
看 LSTM 上面那条线，也就是 $c$：偏置为 1 时，它的颜色变得几乎和 RNN 一样快；偏置大时，颜色几乎不变。每个网络下面写着一步的倍数：大约 0.6、0.7 和 0.95。
"""


# %% en="Gradients on one scale: an RNN, an LSTM, and an LSTM with large forget biases." zh="同一色标下的梯度：RNN、LSTM、遗忘门偏置大的 LSTM。"
def total(model, xs):
    return mg.sum(model(xs)[-1])


viz.compare(
    {
        "RNN": (total, RNN(3, 8)),
        "LSTM, forget bias 1": (total, LSTM(3, 8)),
        "LSTM, forget biases for 100 steps": (total, LSTM(3, 8, longest=100)),
    },
    rng.standard_normal((8, 1, 3), dtype="float32"),
    level="cell",
    color="grad",
)

# %% [markdown] lang="en"
r"""
## It learns to keep

The delayed recall of [chapter 2](2_sequences.ipynb): one of eight symbols is shown with a mark, then 1 to 60 others go by, and at the end the first is asked for. Guessing is right in 12.5 % of
the cases. An RNN, an LSTM and a GRU (explained below) have the same settings and 1,500 updates each. So few updates show how *easily* each of them learns it. Lag 120 is twice as far as they were trained for.
"""

# %% [markdown] lang="zh"
r"""
## 它学会了留住

还是[第 2 章](2_sequences.ipynb)的*延迟回忆*：八种符号中的一个带着记号出现，接着有 1 到 60 个别的符号走过，最后问第一个是什么。瞎猜能对 12.5%。RNN、LSTM 和 GRU（下文再讲）用同样的设置，各更新 1,500 次。
练得这么少，比的是谁学得*容易*。间隔（lag）120 是训练时最远间隔的两倍。
"""

# %%
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

LAGS = 5, 10, 20, 40, 60, 120


def trained(name, steps=1500):
    config = Config.of(
        "delayed-recall", name, lag="1-60", hidden=32, lr=1e-2, schedule="cosine", steps=steps
    )
    experiment = Experiment(config)
    model, optimizer = experiment.model(), experiment.optimizer()
    state, update = optimizer.init(model), mg.jit(make_step(experiment.loss, optimizer))
    for n in range(steps):
        model, state, _ = update(model, state, *experiment.data(experiment.keys.data, n))
    return experiment, model


found = {}
for name in ("rnn", "lstm", "gru"):
    experiment, model = found[name] = trained(name)
    right = [experiment.measure(model, 200, lag=lag).means["accuracy"] for lag in LAGS]
    print(
        f"{name:5}" + ", ".join(f"lag {lag}: {a:4.0%}" for lag, a in zip(LAGS, right, strict=True))
    )

# %% [markdown] lang="en"
r"""
LSTM and GRU have learned it, and hold the symbol at twice the trained distance, too. The RNN is better than guessing, but far from right. (With 100 units and more updates it learns to hold one symbol: three of three seeds in the recorded results, `examples/results/story`. It is the learning that is hard for it.)

What has the LSTM learned? One would think: open $i$ once, at the symbol with the mark, then shut it, and keep $f$ at 1. Look at the picture. It has found another way. In many units both $i$ and $f$ stay open. The marked symbol sends $c$ up or down there, and from then on $c$ goes on in that direction by itself, step by step. So $h$ in these units is soon near +1 or −1 and stays there: what a later symbol adds is too little to turn a sign.
"""

# %% [markdown] lang="zh"
r"""
LSTM 和 GRU 学会了，隔得比训练时远一倍也还记得。RNN 比瞎猜强，但离答对还远。（用 100 个单元、多更新一些，它也学得会记住一个符号：事先记录的结果里，三个种子都学会了，见 `examples/results/story`。难的是学。）

LSTM 究竟学会了什么？照理应该是：$i$ 在带记号的符号那里打开一次，然后关上，$f$ 一直等于 1。看下图，它找到了另一个办法：许多单元的 $i$ 和 $f$ 都一直开着。带记号的符号在那里把 $c$ 往上或往下推一把，此后 $c$ 就自己朝那个方向一步步走下去。于是这些单元的 $h$ 很快接近 +1 或 −1，并且停在那里：后来的符号加进来的一点，不足以改变正负号。
"""

# %% en="The trained LSTM over one sequence: input, gates, cell and output." zh="训练好的 LSTM 走过一段序列：输入、各个门、细胞和输出。"
experiment, model = found["lstm"]
sequence = experiment.batch(experiment.keys.pictures, 0, 1, lag=20)[0]
trace = viz.record(lambda model, xs: mg.sum(model(xs)), model, sequence, names=["i", "f", "c", "h"])
viz.memory({"x": sequence[:, 0], **trace}, title="one symbol kept over 20 others")

# %% [markdown] lang="en"
r"""
## GRU: less, and enough

The **gated recurrent unit** (GRU, Cho et al. 2014) has one state and two gates. *Update* $z$ decides how much of the old state stays, and the rest is filled with the new: what the LSTM does with $f$ and $i$ is here $z$ and $1-z$. *Reset* $r$ decides how much of the past the candidate $n$ may see. ($c_n$ is a bias here, not a cell.)

$$r, z = \sigma(x_t W + h_{t-1} U + b)$$

$$n = \tanh\big(x_t W_n + b_n + r \odot (h_{t-1} U_n + c_n)\big)$$

$$h_t = (1-z) \odot n + z \odot h_{t-1}$$
"""

# %% [markdown] lang="zh"
r"""
## GRU：少一些，也够用

**门控循环单元**（GRU，Cho 等 2014）只有一个状态、两个门。*更新门* $z$ 决定旧状态留下多少，空出来的由新内容填上：LSTM 用 $f$ 和 $i$ 做的事，这里是 $z$ 和 $1-z$。*重置门* $r$ 决定候选内容 $n$ 能看到多少过去。（这里的 $c_n$ 是偏置，不是细胞状态。）

$$r, z = \sigma(x_t W + h_{t-1} U + b)$$

$$n = \tanh\big(x_t W_n + b_n + r \odot (h_{t-1} U_n + c_n)\big)$$

$$h_t = (1-z) \odot n + z \odot h_{t-1}$$
"""

# %%
gru = GRU(inputs=3, hidden=4, key=0)


def gru_step(h, x):
    a, u = x @ gru.W_x + gru.b, h @ gru.W_h
    r, z = mg.split(mg.sigmoid(a[:, :8] + u[:, :8]), 2)
    n = mg.tanh(a[:, 8:] + r * (u[:, 8:] + gru.c_n))
    return (1 - z) * n + z * h


h = mg.zeros((1, 4))
for x in xs:
    h = gru_step(h, mg.tensor(x))
np.testing.assert_allclose(h.numpy(), gru(xs)[-1].numpy(), atol=1e-6)
for name, model in {"RNN": RNN(3, 32), "GRU": GRU(3, 32), "LSTM": LSTM(3, 32)}.items():
    print(f"{name:5} of 32 units: {mg.module.count(model):,} parameters")

# %% [markdown] lang="en"
r"""
## Exercises

**1.** A fresh LSTM has $f = \sigma(1)$. If nothing new is written, after how many steps is half of a cell's content gone? What must the bias be, so that this takes 100 steps?
"""

# %% [markdown] lang="zh"
r"""
## 练习

**1.** 刚初始化的 LSTM 有 $f = \sigma(1)$。如果不写入新内容，过几步，细胞里的内容只剩一半？要想 100 步之后才剩一半，偏置该是多少？
"""

# %% tags=["hide-cell"]
f = 1 / (1 + np.exp(-1.0))
print(f"f = {f:.3f}: half is gone after {np.log(0.5) / np.log(f):.1f} steps")
wanted = 0.5 ** (1 / 100)
bias = np.log(wanted / (1 - wanted))
print(
    f"for 100 steps f = {wanted:.4f}, the bias {bias:.2f}"
)  # LSTM(longest=...) draws such biases: chrono initialisation
assert abs((1 / (1 + np.exp(-bias))) ** 100 - 0.5) < 1e-9

# %% [markdown] lang="en"
r"""
**2.** In the *coupled* LSTM $i = 1 - f$. Why does its cell, which starts at 0, never leave $[-1, 1]$? Show that the cell of the ordinary LSTM can.
"""

# %% [markdown] lang="zh"
r"""
**2.** *耦合*的 LSTM 令 $i = 1 - f$。细胞状态从 0 出发，为什么永远不出 $[-1, 1]$？验证普通的 LSTM 却会。
"""


# %% tags=["hide-cell"]
def largest_cell(model, forget):
    biased = np.full(model.b.shape, 20, "float32")  # all gates open, the candidate near 1,
    biased[forget] = 1  # but for f
    model.b = mg.parameter(biased)
    return float(np.abs(model.run(np.ones((50, 1, 3), "float32"))[1].c.numpy()).max())


coupled, ordinary = (
    largest_cell(LSTM(3, 4, coupled=True), slice(0, 4)),
    largest_cell(LSTM(3, 4), slice(4, 8)),
)
print(
    f"largest |c| after 50 steps: coupled {coupled:.3f}, ordinary {ordinary:.1f}"
)  # a mean of values below 1; a sum of them
assert coupled <= 1 + 1e-6 < ordinary

# %% [markdown] lang="en"
r"""
**3.** How many parameters has an LSTM with $H$ units and $D$ inputs, compared with an RNN? And a GRU?
"""

# %% [markdown] lang="zh"
r"""
**3.** 有 $H$ 个单元、$D$ 个输入的 LSTM，参数是 RNN 的几倍？GRU 呢？
"""

# %% tags=["hide-cell"]
D, H = 3, 32
layer = D * H + H * H + H
assert mg.module.count(LSTM(D, H)) == 4 * layer
assert mg.module.count(RNN(D, H)) == layer
assert mg.module.count(GRU(D, H)) == 3 * layer + H  # c_n, the second bias of the candidate
print("four times; three times, and H more")
