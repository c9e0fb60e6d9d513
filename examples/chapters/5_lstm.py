# %% [markdown] lang="en"
r"""
# 5. LSTM: a short-term memory that lasts

A network has two kinds of memory. Its *weights* change slowly, over thousands of examples: that is its long-term memory. Its *state* changes at every step and is gone with the sequence: that is its short-term memory. The [last chapter](4_forgetting.ipynb) showed how short it is. Hochreiter and Schmidhuber (1997) built a short-term memory that lasts long, and gave it just that name: **long short-term memory**.

## The idea: add, do not multiply

The RNN replaces its whole state at each step, by a matrix and a squashing function. The LSTM has a second state, the *cell* $c$, that is left alone unless there is a reason:

$$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$

Old content, times a number between 0 and 1, plus new content, times another. No matrix stands between $c_{t-1}$ and $c_t$, and no $\tanh$. So

$$\frac{\partial c_t}{\partial c_{t-1}} \ni f_t$$

and where $f$ is 1, the gradient goes back along $c$ as it came. (The sign $\ni$ says: among other ways. The gates depend on the past as well.)

## Gate by gate

A *gate* is a layer with a sigmoid: each of its numbers is between 0, shut, and 1, open. All of them look at the input and at the last output.
"""

# %% [markdown] lang="zh"
r"""
# 5. LSTM：长久的短期记忆

网络有两种记忆。*权重*变得很慢，要看成千上万个例子：这是长期记忆。*状态*每一步都在变，序列一结束就没了：这是短期记忆。[上一章](4_forgetting.ipynb)看到，它短得可怜。 Hochreiter 与 Schmidhuber（1997）造出了一种能保持很久的短期记忆，名字说的就是这件事：**长短期记忆**（long short-term memory）。要这样断句：长的"短期记忆"。

## 想法：用加，不用乘

RNN 每一步都把整个状态换掉：先乘矩阵，再压扁。LSTM 另有一个状态，叫*细胞* $c$，没有理由就不去动它：

$$c_t = f_t \odot c_{t-1} + i_t \odot g_t$$

旧的内容乘一个 0 到 1 之间的数，新的内容乘另一个，再相加。$c_{t-1}$ 与 $c_t$ 之间没有矩阵，也没有 $\tanh$。于是

$$\frac{\partial c_t}{\partial c_{t-1}} \ni f_t$$

只要 $f$ 等于 1，梯度沿 $c$ 往回走就分毫不少。（$\ni$ 的意思是"其中一条路"：几个门本身也和过去有关。）

## 一个门一个门地看

*门*就是用 sigmoid 的一层，每个数都在 0（关）和 1（开）之间。它们都看着当前的输入和上一步的输出。
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
**What to forget.** $f_t = \sigma(W_f [x_t; h_{t-1}] + b_f)$. One number for each number in the cell. The bias starts at 1, so that at first $f = 0.73$: a fresh LSTM rather keeps.
"""

# %% [markdown] lang="zh"
r"""
**忘掉什么：遗忘门。** $f_t = \sigma(W_f [x_t; h_{t-1}] + b_f)$。细胞里的每个数都有自己的一个。偏置从 1 开始，所以最初 $f = 0.73$：新造的 LSTM 偏向于记住。
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
**写什么，写不写：输入门。** $g_t = \tanh(\cdot)$ 是候选内容，$i_t = \sigma(\cdot)$ 决定放进去多少。一件事用两层，因为"写什么"和"写不写"是两个问题。
"""


# %%
def candidate(x, h):
    return mg.tanh(gate(2, x, h))


def accept(x, h):
    return mg.sigmoid(gate(0, x, h))


# %% [markdown] lang="en"
r"""
**What to say.** $h_t = o_t \odot \tanh(c_t)$ with $o_t = \sigma(\cdot)$. This is the difference between the two states: $c$ is what is *known*, $h$ is what is *said now*. With $o$ shut the cell keeps something to itself,
and does not disturb the gates and the layers above until its time has come.
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
print("these five lines and minigrad.models.LSTM differ by", difference)
assert difference < 1e-6

# %% [markdown] lang="en"
r"""
That is the whole LSTM. As textbooks draw it, with the loop closed and unfolded; the line on top that runs straight through is $c$:
"""

# %% [markdown] lang="zh"
r"""
这就是 LSTM 的全部。照教科书的画法，左边合着，右边展开；上面那条笔直穿过去的线就是 $c$：
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
The gradient of the last answer, in an RNN and in an LSTM of the same size, both fresh. In the LSTM follow the upper line, $c$: its colour hardly changes.
"""

# %% [markdown] lang="zh"
r"""
下面是同样大小的 RNN 和 LSTM，都还没有训练，颜色是最后一个答案的梯度。看 LSTM 上面那条线，也就是 $c$：颜色几乎不变。
"""

# %% en="Gradients on one scale: RNN above, LSTM below." zh="用同一把尺子看梯度：上面 RNN，下面 LSTM。"
viz.compare(
    {"RNN": (last, RNN(3, 8)), "LSTM": (last, LSTM(3, 8))},
    rng.standard_normal((8, 1, 3), dtype="float32"),
    level="cell",
    color="grad",
)

# %% [markdown] lang="en"
r"""
## It learns to keep

*Delayed recall*: one of eight symbols is shown with a mark, then up to 60 others go by, and at the end the first is asked for. Guessing is right in 12 % of
the cases. The same settings for an RNN, an LSTM and a GRU (below), 1,500 updates each. With so little practice, what shows is how *easily* each of them learns it.
"""

# %% [markdown] lang="zh"
r"""
## 它学会了留住

*延迟回忆*（delayed recall）：八个符号中的一个带着记号出现，接着最多有 60 个别的符号走过，最后问第一个是什么。瞎猜能对 12 %。RNN、LSTM 和 GRU（见下文）用同样的设置，各更新 1,500 次。
练习这么少，比的是谁学得*容易*。
"""

# %%
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

LAGS = 5, 10, 20, 40, 60, 120


def trained(name, steps=1500):
    config = Config.of("delayed-recall", name, lag="1-60", hidden=32, lr=1e-2, schedule="cosine", steps=steps)
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
    print(f"{name:5}" + ", ".join(f"lag {lag}: {a:4.0%}" for lag, a in zip(LAGS, right, strict=True)))

# %% [markdown] lang="en"
r"""
What has the LSTM learned? One would think: open $i$ once, at the symbol with the mark, then shut it, and keep $f$ at 1. Look below. It has found another way. The marked symbol sends each number of $c$ up or down, and from then on, with $f$ open, it goes on in that direction by itself. So $h$ is soon near +1 or −1 in every unit, and this pattern of signs *is* the symbol. What other symbols add does not matter any more.
"""

# %% [markdown] lang="zh"
r"""
LSTM 究竟学会了什么？照理应该是：$i$ 在带记号的符号那里打开一次，然后关上，$f$ 一直等于 1。看下图，它找到了另一个办法：带记号的符号把 $c$ 的每个数往上或往下推一把，此后 $f$ 开着，它就自己朝那个方向越走越远。于是每个单元的 $h$ 很快接近 +1 或 −1，这一排正负号*就是*那个符号。别的符号再加进来一点，已经无所谓了。
"""

# %% en="The trained LSTM over one sequence: input, gates, cell and output." zh="训练好的 LSTM 走过一段序列：输入、各个门、细胞和输出。"
experiment, model = found["lstm"]
sequence = experiment.batch(experiment.keys.pictures, 0, 1, lag=20)[0]
trace = viz.record(lambda model, xs: mg.sum(model(xs)), model, sequence, names=["i", "f", "c", "h"])
viz.memory({"x": sequence[:, 0], **trace}, title="one symbol kept over 20 others")

# %% [markdown] lang="en"
r"""
## GRU: the same with less

The **gated recurrent unit** (Cho et al. 2014) has one state and two gates. *Update* $z$ decides how much of the old state stays, and the rest is filled with the new: what the LSTM does with $f$ and $i$ is here $z$ and $1-z$. *Reset* $r$ decides how much of the past the candidate may see.

$$r, z = \sigma(x_t W + h_{t-1} U + b)$$

$$n = \tanh\big(x_t W_n + b_n + r \odot (h_{t-1} U_n + c_n)\big)$$

$$h_t = (1-z) \odot n + z \odot h_{t-1}$$
"""

# %% [markdown] lang="zh"
r"""
## GRU：少一些，也够用

**门控循环单元**（GRU，Cho 等 2014）只有一个状态、两个门。*更新门* $z$ 决定旧状态留下多少，空出来的由新内容填上：LSTM 用 $f$ 和 $i$ 做的事，这里是 $z$ 和 $1-z$。*重置门* $r$ 决定候选内容能看到多少过去。

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

**1.** A fresh LSTM has $f = \sigma(1)$. After how many steps is half of a cell's content gone? What must the bias be, so that this takes 100 steps?
"""

# %% [markdown] lang="zh"
r"""
## 练习

**1.** 新的 LSTM 有 $f = \sigma(1)$。过几步，细胞里的内容只剩一半？要让这件事花 100 步，偏置该是多少？
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
**2.** In the *coupled* LSTM $i = 1 - f$. Show that its cell then never leaves $[-1, 1]$, and that the cell of the ordinary one can.
"""

# %% [markdown] lang="zh"
r"""
**2.** *耦合*的 LSTM 令 $i = 1 - f$。验证这时细胞永远不出 $[-1, 1]$，而普通的 LSTM 却会。
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
