# %% [markdown] lang="en"
r"""
# 4. Why it forgets

A recurrent network has the whole past in its state. So why can it not tell you the name that stood at the beginning of the page?
Because nobody could teach it to keep the name. To learn to keep something, the error at the end must reach the step where it came in. This chapter
watches the error on its way back, and sees it die, or blow up.

## A product of many matrices

The [last chapter](3_rnn.ipynb) had $\delta_{t-1} = W^\top((1-S_t^2) \odot \delta_t)$. Over many steps this is a product:

$$\frac{\partial S_T}{\partial S_t} = \prod_{k=t+1}^{T} \operatorname{diag}(1 - S_k^2)\, W$$

One number makes it plain. $0.7^{40} \approx 0.0000006$, and $1.3^{40} \approx 36{,}000$. A product of forty equal factors is *nothing* or
*enormous*, unless the factor is very nearly 1. With matrices it is the same, with their norms in place of the number
(Hochreiter 1991; Bengio, Simard and Frasconi 1994).

To see it purely, let $W$ be a rotation times a scale. A rotation changes no length, so each step back multiplies the gradient by just that scale, as long as
the $\tanh$ is near its middle, where its slope is 1. Small inputs keep it there.
"""

# %% [markdown] lang="zh"
r"""
# 4. 它为什么会忘

循环神经网络的状态里装着全部的过去。那它为什么说不出这一页开头的那个名字？因为没有人教得会它留住那个名字。要学会留住一样东西，末尾的误差必须传回到
这样东西进来的那一步。这一章就盯着误差往回走，看它怎样消失，又怎样爆炸。

## 许多矩阵相乘

[上一章](3_rnn.ipynb)得到 $\delta_{t-1} = W^\top((1-S_t^2) \odot \delta_t)$。走很多步，就是连乘：

$$\frac{\partial S_T}{\partial S_t} = \prod_{k=t+1}^{T} \operatorname{diag}(1 - S_k^2)\, W$$

拿一个数来看就明白了：$0.7^{40} \approx 0.0000006$，$1.3^{40} \approx 36{,}000$。四十个相同的因子乘起来，不是*几乎没有*，就是*大得惊人*，除非因子恰好很接近 1。
换成矩阵也一样，只是用范数代替那个数（Hochreiter 1991；Bengio、Simard 与 Frasconi 1994）。这就是**梯度消失**与**梯度爆炸**。

为了看得干净，让 $W$ 等于一个旋转乘一个倍数。旋转不改变长度，所以只要 $\tanh$ 停在中间（那里斜率是 1），每往回一步，梯度就恰好乘上这个倍数。输入取得很小，它就停在中间。
"""

# %%
import numpy as np
from minigrad.models import RNN

import minigrad as mg
from minigrad import viz

T, HIDDEN = 40, 16
xs = 1e-6 * np.random.default_rng(0).standard_normal((T, 1, 3), dtype="float32")


def network(scale):
    model = RNN(inputs=3, hidden=HIDDEN, key=0)  # its W_h starts as a rotation
    model.W_h = mg.parameter(scale * model.W_h.numpy())
    return model


def reach(model):
    """How much of the gradient at the last input is left at the first: ‖∂L/∂x_1‖ ÷ ‖∂L/∂x_T‖."""
    dx = mg.grad(lambda xs: mg.sum(model(xs)[-1]))(xs).numpy()
    return np.linalg.norm(dx[0]) / np.linalg.norm(dx[-1])


networks = {f"W = {scale} × rotation": network(scale) for scale in (0.7, 1.0, 1.3)}
for name, model in networks.items():
    print(f"{name}: after {T} steps back {reach(model):.1e} of the gradient is left")

# %% [markdown] lang="en"
r"""
## Seen

The norm of the gradient at each state, on a logarithmic scale. A straight line here means: each step multiplies by the same number.
"""

# %% [markdown] lang="zh"
r"""
## 看见它

下图是每个状态上梯度的范数，纵轴取对数。在这里，直线的意思是：每一步乘上同一个数。
"""


# %% en="The gradient of the last answer, at every state before it, for three scales of W." zh="最后一个答案的梯度在此前每个状态上的大小，$W$ 取三种倍数。"
def last_loss(model):
    """Step by step, so that every state can be asked for its gradient."""
    state = model.initial_state(1)
    for t, x in enumerate(xs):
        with mg.scope("rnn", step=t):
            state, h = model.step(state, mg.tensor(x))
    return mg.sum(h)


viz.gradient_flow({name: last_loss(model) for name, model in networks.items()})

# %% [markdown] lang="en"
r"""
And as a graph over time, each arrow coloured by the gradient that flows back along it. Yellow is about 1, blue is next to nothing.
"""

# %% [markdown] lang="zh"
r"""
再画成沿时间展开的图，每根箭头的颜色就是沿它流回去的梯度。黄色大约是 1，蓝色几乎没有。
"""


# %% en="The same with 0.7 and 1.3, six steps: colours are the gradient's norm, on one scale." zh="倍数 0.7 与 1.3，六步：颜色是梯度的范数，用同一把尺子。"
def loss(model, xs):
    return mg.sum(model(xs)[-1])


viz.compare(
    {"0.7": (loss, network(0.7)), "1.3": (loss, network(1.3))},
    xs[:6],
    level="cell",
    color="grad",
)

# %% [markdown] lang="en"
r"""
## No way out by turning the knob

Could we not choose the scale 1 and be done? Two things stand against it.

The first is the $\tanh$ itself. Its slope is 1 only at 0. Feed the network inputs of an ordinary size, and the states move away from 0, to where the slope is small. Then
even the scale 1 loses the gradient, and 1.3 need not explode any more:
"""

# %% [markdown] lang="zh"
r"""
## 拧旋钮也没有用

把倍数定为 1，不就行了吗？有两件事挡在前面。

第一件是 $\tanh$ 自己。它只在 0 处斜率为 1。给它正常大小的输入，状态就离开 0，走到斜率小的地方。这时倍数是 1 也会丢掉梯度，倍数 1.3 也不一定爆炸：
"""

# %%
small = xs
for size in (1e-6, 0.1, 1.0):
    xs = size / 1e-6 * small
    print(
        f"inputs of size {size:g}: "
        + ", ".join(f"{name.split(' ×')[0]}: {reach(model):.1e}" for name, model in networks.items())
    )
xs = small

# %% [markdown] lang="en"
r"""
The second is deeper. A state that keeps a bit safely, against noise, must pull back to where it was: it is an *attractor*. Near an attractor a small change dies
out, and so its derivative, the very thing that carries the gradient, is below 1. **To remember safely is to have a vanishing gradient** (Bengio et al. 1994). You can
see it in a network with one unit:
"""

# %% [markdown] lang="zh"
r"""
第二件更深。一个状态要稳稳地记住一个比特，不怕噪声，就必须在被推开之后自己回到原处：它得是一个*吸引子*。在吸引子附近，小的扰动会消失，于是导数小于 1，而梯度正是靠导数传回去的。
**记得牢，就意味着梯度消失**（Bengio 等 1994）。只有一个单元的网络就看得到：
"""


# %%
def hold(w, start, steps=40):
    """s ← tanh(w s), a hundred pushes of noise on the way; gives the last state and its derivative by the first."""

    def run(start):
        noise = mg.tensor(0.1 * np.random.default_rng(1).standard_normal(steps))
        return mg.scan(lambda s, n: (mg.tanh(w * s + n), None), start, noise)[0]

    last, slope = mg.value_and_grad(run)(mg.tensor(start, "float64"))
    return last.item(), slope.item()


for w in (0.9, 1.0, 2.0):
    up, slope = hold(w, 0.5)
    down, _ = hold(w, -0.5)
    print(f"w = {w}: from +0.5 to {up:+.2f}, from −0.5 to {down:+.2f};  derivative {slope:.1e}")

# %% [markdown] lang="en"
r"""
With $w = 2$ the bit is held: plus stays plus, minus stays minus, for as long as you like. And the derivative is gone. With $w = 0.9$ and 1 it is
forgotten, whatever it was.

## What it costs

Vanishing does not make a long memory impossible; it makes it hard to *learn*. The *adding* task asks for the sum of two marked numbers among 200. These are recorded results
(`examples/results/adding`; one seed each, minutes of training, not made by this page):
"""

# %% [markdown] lang="zh"
r"""
$w = 2$ 时这个比特留住了：正的一直是正的，负的一直是负的，多久都行。而导数没有了。$w$ 取 0.9 或 1 时，不管原来是什么，都忘了。

## 代价

梯度消失并不是说长久的记忆不可能，而是说它很难*学到*。*adding* 任务要在 200 个数里找出做了记号的两个，求它们的和。下面是事先记录的结果（`examples/results/adding`，各一个种子，
训练要几分钟，不是这一页现算的）：
"""

# %%
from pathlib import Path

for line in Path("examples/results/adding/README.md").read_text(encoding="utf-8").splitlines():
    if line.startswith(("| model", "| RNN", "| LSTM |", "| GRU")):
        print(line)

# %% [markdown] lang="en"
r"""
Guessing costs 0.167: the RNN never left it. LSTM and GRU did; [the next chapter](5_lstm.ipynb) says how.

Explosion is the lesser evil. It is loud, and there is a simple cure: if the gradient's norm is above a limit, scale the whole gradient down to it
(Pascanu, Mikolov and Bengio 2013). Its direction stays. In minigrad: `mg.optim.Adam(1e-3, clip_norm=1)`. There is no such cure for what has vanished.

## Exercises

**1.** With the scale 0.7, after how many steps is the gradient below $10^{-7}$, about the precision of a float32 beside 1?
"""

# %% [markdown] lang="zh"
r"""
一律瞎猜的代价是 0.167，RNN 始终没有离开它。LSTM 和 GRU 做到了，[下一章](5_lstm.ipynb)讲它们凭什么。

爆炸反倒好办。它来得很响，药方也简单：梯度的范数超过上限，就把整个梯度按比例缩小到上限（Pascanu、Mikolov 与 Bengio 2013），方向不变。在 minigrad 里写作
`mg.optim.Adam(1e-3, clip_norm=1)`。消失了的东西却无药可救。

## 练习

**1.** 倍数是 0.7 时，走多少步之后梯度小于 $10^{-7}$，也就是 float32 在 1 附近的精度？
"""

# %% tags=["hide-cell"]
steps = int(np.ceil(np.log(1e-7) / np.log(0.7)))
print(f"{steps} steps: 0.7^{steps} = {0.7**steps:.1e}")
assert 0.7**steps < 1e-7 < 0.7 ** (steps - 1)

# %% [markdown] lang="en"
r"""
**2.** Clip the gradient of the exploding network to norm 1. Show that its direction has not changed.
"""

# %% [markdown] lang="zh"
r"""
**2.** 把爆炸的那个网络的梯度裁剪到范数 1，验证方向没有变。
"""

# %% tags=["hide-cell"]
gradient = mg.grad(lambda model: loss(model, xs))(networks["W = 1.3 × rotation"])
norm = mg.optim.global_norm(gradient).item()
clipped = mg.tree.map(lambda g: g * min(1.0, 1 / norm), gradient)
flat, flat_clipped = (
    np.concatenate([leaf.numpy().ravel() for leaf in mg.tree.leaves(g)]) for g in (gradient, clipped)
)
cosine = flat @ flat_clipped / np.linalg.norm(flat) / np.linalg.norm(flat_clipped)
print(
    f"norm before {norm:.3g}, after {np.linalg.norm(flat_clipped):.3g}; cosine of the angle between them {cosine:.6f}"
)
assert abs(cosine - 1) < 1e-5

# %% [markdown] lang="en"
r"""
**3.** Replace $\tanh$ by relu and let $W$ be the identity (Le, Jaitly and Hinton 2015). What happens to the gradient while the states are positive?
"""

# %% [markdown] lang="zh"
r"""
**3.** 把 $\tanh$ 换成 relu，让 $W$ 等于单位矩阵（Le、Jaitly 与 Hinton 2015）。只要状态是正的，梯度会怎样？
"""

# %% tags=["hide-cell"]
irnn = RNN(inputs=3, hidden=HIDDEN, activation="relu", start="identity", key=0)
irnn.W_x = mg.parameter(np.abs(irnn.W_x.numpy()))
positive = np.abs(small)  # positive inputs and weights keep every state positive
dx = mg.grad(lambda xs: mg.sum(irnn(xs)[-1]))(positive).numpy()
norms = np.linalg.norm(dx[:, 0], axis=1)
print(
    "at the first input", norms[0], "and at the last", norms[-1]
)  # each step multiplies by the identity: nothing is lost
np.testing.assert_allclose(norms, norms[-1], rtol=1e-5)
