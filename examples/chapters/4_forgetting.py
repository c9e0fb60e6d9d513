# %% [markdown] lang="en"
r"""
# 4. Why it forgets

The state of a recurrent network depends on the whole past. So why can it not tell you the name that stood at the beginning of the page?
Because it has not learned to keep the name. To learn this, the gradient of the error at the end must reach the step where the name came in. This chapter
watches the gradient on its way back, and sees it vanish, or explode.

## A product of many matrices

The [last chapter](3_rnn.ipynb) had $\delta_{t-1} = W^\top((1-S_t^2) \odot \delta_t)$. From the last step to an early one this is done many times, so the derivative is a product of many matrices (the last step's stands on the left):

$$\frac{\partial S_T}{\partial S_t} = \prod_{k=t+1}^{T} \operatorname{diag}(1 - S_k^2)\, W$$

Take one number in place of each matrix. $0.7^{40} \approx 0.0000006$, and $1.3^{40} \approx 36{,}000$. A product of forty equal factors is *nothing* or
*enormous*, unless the factor is very nearly 1. It is much the same with matrices: if the norm of each stays below a number less than 1, the product must vanish; if the norms are above 1, it can explode
(Hochreiter 1991; Bengio, Simard and Frasconi 1994). These are the **vanishing** and the **exploding gradient**.

To see this alone, let $W$ be a rotation times a scale. A rotation changes no length. So each step back multiplies the gradient's norm by just that scale, as long as
the $\tanh$ is near its middle, where its slope is 1. Tiny inputs keep it there. The loss $L$ is the sum of the last state.
"""

# %% [markdown] lang="zh"
r"""
# 4. 它为什么会忘

循环神经网络的状态取决于全部的过去。那它为什么说不出这一页开头的那个名字？因为它没有学会留住那个名字。要学会这一点，末尾误差的梯度必须传回到
名字进来的那一步。这一章就盯着梯度往回走，看它怎样消失，又怎样爆炸。

## 许多矩阵相乘

[上一章](3_rnn.ipynb)得到 $\delta_{t-1} = W^\top((1-S_t^2) \odot \delta_t)$。从最后一步走回很早的一步，要乘很多次，所以导数是许多矩阵的连乘（最后一步的矩阵在最左边）：

$$\frac{\partial S_T}{\partial S_t} = \prod_{k=t+1}^{T} \operatorname{diag}(1 - S_k^2)\, W$$

先把每个矩阵换成一个数：$0.7^{40} \approx 0.0000006$，$1.3^{40} \approx 36{,}000$。四十个相同的因子乘起来，不是*几乎没有*，就是*大得惊人*，除非因子恰好很接近 1。
换成矩阵也差不多：如果每个矩阵的范数都不超过某个小于 1 的数，连乘必定消失；范数大于 1，就可能爆炸（Hochreiter 1991；Bengio、Simard 与 Frasconi 1994）。这就是**梯度消失**与**梯度爆炸**。

为了单看这一点，让 $W$ 等于一个旋转乘一个倍数。旋转不改变长度，所以只要 $\tanh$ 停在中间（那里斜率是 1），每往回一步，梯度的范数就恰好乘上这个倍数。输入取得极小，它就停在中间。损失 $L$ 是最后一个状态各数之和。
"""

# %%
import numpy as np
from minigrad.models import RNN

import minigrad as mg
from minigrad import viz

T, HIDDEN = 40, 16
xs = 1e-8 * np.random.default_rng(0).standard_normal((T, 1, 3), dtype="float32")


def network(scale):
    model = RNN(inputs=3, hidden=HIDDEN, key=0)  # its W_h starts orthogonal: it changes no length
    model.W_h = mg.parameter(scale * model.W_h.numpy())
    return model


def reach(model, xs):
    """How much of the last state's gradient is left T steps before: ‖∂L/∂S_0‖ ÷ ‖∂L/∂S_T‖."""
    start = mg.grad(lambda state: mg.sum(model(xs, state)[-1]))(model.initial_state(1)).h.numpy()
    return np.linalg.norm(start) / np.sqrt(HIDDEN)  # L is the sum of S_T, so ∂L/∂S_T is all ones


networks = {f"W = {scale} × rotation": network(scale) for scale in (0.7, 1.0, 1.3)}
for name, model in networks.items():
    print(f"{name}: {T} steps back, {reach(model, xs):.1e} of the gradient is left")

# %% [markdown] lang="en"
r"""
## Step by step

Above, the norm of the gradient at each state, on a logarithmic scale. A straight line here means: each step multiplies by the same number. Below, what each step adds to the gradient of each weight: where the state's gradient is small, the step teaches the weights next to nothing.
"""

# %% [markdown] lang="zh"
r"""
## 一步一步看

上图是每个状态上梯度的范数，纵轴取对数；直线的意思是：每一步乘上同一个数。下图是每一步对各个权重的梯度贡献多少：状态上的梯度很小的那些步，权重几乎什么也学不到。
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
The same as a graph over time, six steps of it. Each arrow has the colour of the gradient that flows back along it, and the number beside it is the power of ten: $-0.2$ is $10^{-0.2} = 0.63$. From right to left the colours go from red to yellow above, with 0.7, and to a darker red below, with 1.3.
"""

# %% [markdown] lang="zh"
r"""
再画成沿时间展开的图，只画六步。每根箭头的颜色表示沿它流回去的梯度，旁边的数是 10 的指数：$-0.2$ 就是 $10^{-0.2} = 0.63$。从右往左看，上面（0.7）由红变黄，下面（1.3）红得越来越深。
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
## Why no scale is right

Could we not choose the scale 1 and be done? No, for two reasons.

The first is the $\tanh$ itself. Its slope is 1 only at 0. Feed the network inputs of an ordinary size, and the states move away from 0, to where the slope is small. Then
even the scale 1 loses the gradient, and 1.3 need not explode any more:
"""

# %% [markdown] lang="zh"
r"""
## 为什么没有合适的倍数

把倍数定为 1，不就行了吗？不行，有两个原因。

第一个是 $\tanh$ 自己。它只在 0 处斜率为 1。给它正常大小的输入，状态就离开 0，走到斜率小的地方。这时倍数是 1 也会丢掉梯度，倍数 1.3 也不一定爆炸：
"""

# %%
for size in (1e-8, 0.1, 1.0):
    found = {name: reach(model, size / 1e-8 * xs) for name, model in networks.items()}
    print(
        f"inputs of size {size:g}: "
        + ", ".join(f"{name}: {left:.1e}" for name, left in found.items())
    )

# %% [markdown] lang="en"
r"""
The second reason is deeper. A state that keeps a bit (yes or no) safely must come back by itself when noise pushes it away: it is an *attractor*. Near an attractor a small change dies
out. So the derivative of a step, which is what carries the gradient back, is below 1. **To remember safely is to have a vanishing gradient** (Bengio et al. 1994). You can
see it in a network with one unit, $s \leftarrow \tanh(w s + n)$ with noise $n$. It starts at +0.5 or at −0.5, and this sign is the bit:
"""

# %% [markdown] lang="zh"
r"""
第二个更深。一个状态要稳稳地记住一个比特，不怕噪声，就必须在被推开之后自己回到原处：它得是一个*吸引子*。在吸引子附近，小的扰动会消失，于是导数小于 1，而梯度正是靠导数传回去的。
**记得牢，就意味着梯度消失**（Bengio 等 1994）。只有一个单元的网络就看得到：每一步 $s \leftarrow \tanh(w s + n)$，$n$ 是噪声。它从 +0.5 或 −0.5 出发，这个正负号就是要记的比特：
"""


# %%
def hold(w, start, steps=40):
    """s ← tanh(w s + noise), many times: the last state, and its derivative by the first."""

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
With $w = 2$ the bit is kept: after 40 steps of noise plus is still plus, and minus is minus. And the derivative is gone. With $w = 0.9$ both starts end at the same number: the bit is
forgotten. With $w = 1$ what is left of it is about as large as the noise. Their derivatives fall more slowly, but they fall.

## What it costs

Vanishing does not make a long memory impossible; it makes it hard to *learn*. The *adding* task asks for the sum of two marked numbers among 200. The error is the mean squared error; always answering 1, the mean, costs 0.167. These are recorded results
(`examples/results/adding`; one seed each, minutes of training, not made by this page). They were trained with 200 numbers, and tested with 100 and 400 as well:
"""

# %% [markdown] lang="zh"
r"""
$w = 2$ 时这个比特留住了：受了 40 步噪声，正的还是正的，负的还是负的。而导数没有了。$w = 0.9$ 时，两个起点走到同一个数，比特忘掉了；$w = 1$ 时，剩下的和噪声差不多大。它们的导数减得慢一些，但也在减。

## 代价

有梯度消失，并不等于长久的记忆不可能，只是很难*学到*。*加法*（adding）任务要在 200 个数里找出做了记号的两个，求它们的和。误差是均方误差；一律回答 1（平均值），代价是 0.167。下面是事先记录的结果（`examples/results/adding`，各一个种子，
训练要几分钟，不是这一页现算的）；训练时是 200 个数，测试时还用了 100 个和 400 个：
"""

# %%
from pathlib import Path

for line in Path("examples/results/adding/README.md").read_text(encoding="utf-8").splitlines():
    if line.startswith(("| model", "| RNN", "| LSTM |", "| GRU")):
        print(line)

# %% [markdown] lang="en"
r"""
The RNN never did better than always answering 1. LSTM and GRU did; [the next chapter](5_lstm.ipynb) says how.

The exploding gradient is the smaller problem. It is seen at once, as the loss jumps or becomes NaN, and there is a simple cure, *clipping*: if the gradient's norm is above a limit, scale the whole gradient down to it
(Pascanu, Mikolov and Bengio 2013). Its direction stays. In minigrad: `mg.optim.Adam(1e-3, clip_norm=1)`. What has vanished cannot be brought back by scaling: the direction is lost, too, among the gradients of the last few steps.

## Exercises

**1.** With the scale 0.7, after how many steps is the gradient below $10^{-7}$, about the precision of a float32 beside 1?
"""

# %% [markdown] lang="zh"
r"""
RNN 始终没有胜过“一律回答 1”。LSTM 和 GRU 做到了，[下一章](5_lstm.ipynb)讲它们凭什么。

梯度爆炸反倒好办。一爆炸马上看得见：损失猛跳，甚至变成 NaN。办法也简单，就是*梯度裁剪*：梯度的范数超过上限，就把整个梯度按比例缩小到上限（Pascanu、Mikolov 与 Bengio 2013），方向不变。在 minigrad 里写作
`mg.optim.Adam(1e-3, clip_norm=1)`。消失了的梯度却不能靠放大找回来：它的方向也已经淹没在最后几步的梯度里了。

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
    np.concatenate([leaf.numpy().ravel() for leaf in mg.tree.leaves(g)])
    for g in (gradient, clipped)
)
cosine = flat @ flat_clipped / np.linalg.norm(flat) / np.linalg.norm(flat_clipped)
print(
    f"norm before {norm:.3g}, after {np.linalg.norm(flat_clipped):.3g};"
    f" cosine of the angle between them {cosine:.6f}"
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
positive = np.abs(xs)  # positive inputs and weights keep every state positive
dx = mg.grad(lambda xs: mg.sum(irnn(xs)[-1]))(positive).numpy()
norms = np.linalg.norm(dx[:, 0], axis=1)
print(
    "at the first input", norms[0], "and at the last", norms[-1]
)  # each step multiplies by the identity: nothing is lost
np.testing.assert_allclose(norms, norms[-1], rtol=1e-5)
