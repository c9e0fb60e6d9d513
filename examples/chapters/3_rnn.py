# %% [markdown] lang="en"
r"""
# 3. A network with a loop

A feed-forward network sees an input, answers, and forgets. Ask it about the next word of a sentence, and it has never heard of the words before. A **recurrent neural network** (RNN) keeps a note for itself: a list of numbers, the *state*. This chapter builds one from nothing, unfolds its loop, and follows the gradient back through time.

## From a state to a network

Many things have a state that changes step by step: a bank account, a game of chess, the weather. Write $s^{(t)}$ for the state at time $t$. If the next state follows from the last one alone,

$$s^{(t)} = f(s^{(t-1)})$$

then we may replace $s^{(t-1)}$ by its own definition, again and again, until nothing is left but the first state:

$$s^{(3)} = f(s^{(2)}) = f(f(s^{(1)})) = f(f(f(s^{(0)})))$$

The loop is gone: it has been **unfolded**. Usually something comes from outside, too, a word or a measurement $x^{(t)}$:

$$s^{(t)} = f(s^{(t-1)}, x^{(t)})$$

Now $s^{(t)}$ depends on *all* inputs up to $t$. It is a summary of the past, of a fixed size. The network has to learn what is worth keeping in it. One of the simplest functions with something to learn gives the recurrent network; here the state is written $S_t$ and the input $X_t$:

$$S_t = f(U X_t + W S_{t-1} + b)$$

The matrix $U$ lets the input in, the matrix $W$ carries the old state over, $b$ is a bias, and $f$ is now $\tanh$ of each number, which keeps it between −1 and 1. The same $U$, $W$ and $b$ serve every step.
"""

# %% [markdown] lang="zh"
r"""
# 3. 会循环的网络

前馈网络看一眼输入，给出答案，转头就忘。让它猜句子里的下一个词，它却从来不知道前面说过什么。**循环神经网络**（RNN）给自己留了一张字条：一串数字，叫做*状态*。这一章从零搭一个循环神经网络，把它的循环展开，再跟着梯度沿时间一路走回去。

## 从状态到网络

很多东西都有一个一步步变化的状态：银行账户、一盘棋、天气。把 $t$ 时刻的状态记作 $s^{(t)}$。如果下一个状态只由上一个状态决定，

$$s^{(t)} = f(s^{(t-1)})$$

那么可以把 $s^{(t-1)}$ 换成它自己的定义，一次又一次，直到只剩下最初的状态：

$$s^{(3)} = f(s^{(2)}) = f(f(s^{(1)})) = f(f(f(s^{(0)})))$$

循环不见了，它被**展开**了。通常每一步还有外来的东西：一个词，一次测量，记作 $x^{(t)}$：

$$s^{(t)} = f(s^{(t-1)}, x^{(t)})$$

这样一来，$s^{(t)}$ 取决于到 $t$ 为止的*全部*输入。它是对过去的概括，而且大小固定。哪些值得留在概括里，正是网络要学的。给它一个最简单的、有参数可学的函数，就是循环神经网络（状态写作 $S_t$，输入写作 $X_t$）：

$$S_t = f(U X_t + W S_{t-1} + b)$$

矩阵 $U$ 放输入进来，矩阵 $W$ 把旧状态带过来，$b$ 是偏置，$f$ 现在是逐个数取的 $\tanh$，让每个数都落在 −1 和 1 之间。每一步用的都是同一组 $U$、$W$、$b$。
"""

# %%
import numpy as np
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import viz

rng = np.random.default_rng(0)
U = mg.parameter(0.5 * rng.standard_normal((3, 3), dtype="float32"), name="U")
W = mg.parameter(0.5 * rng.standard_normal((3, 3), dtype="float32"), name="W")
b = mg.parameter(np.zeros(3, "float32"), name="b")


def S(state, x):  # one step
    return mg.tanh(x @ U + state @ W + b)


# %% [markdown] lang="en"
r"""
(In the formula vectors are columns; in the code they are rows, so the matrix stands on the right. `W` in the code is thus $W^\top$ of the formula. `mg.parameter` marks what gets a gradient.)

## The loop in Python

Four inputs, four steps, from a state of zeros. `mg.scope` only tells a drawing which operation belongs to which step.
"""

# %% [markdown] lang="zh"
r"""
（公式里的向量是列，代码里的向量是行，所以矩阵写在右边：代码里的 `W` 就是公式里的 $W^\top$。`mg.parameter` 标出要求梯度的量。）

## 用 Python 写循环

四个输入，从全零的状态出发，走四步。`mg.scope` 只是告诉画图的程序：哪个运算属于哪一步。
"""

# %%
xs = rng.standard_normal((4, 3), dtype="float32")


def written_out(xs):
    state = mg.zeros(3)
    for t, x in enumerate(xs):
        with mg.scope("rnn", step=t):
            state = S(state, mg.tensor(x))
        print(f"S_{t + 1} =", state.numpy().round(3))
    return mg.sum(state**2)


loss = written_out(xs)

# %% [markdown] lang="en"
r"""
The loss, the sum of the squares of the last state, is just something to differentiate. Here is the network as a loop, on the left, and the same network unfolded, on the right. The dark square is a *delay* of one step: what goes in at step $t$ comes out at step $t+1$. (Drawings count the steps from 0.)
"""

# %% [markdown] lang="zh"
r"""
损失是最后一个状态的平方和，这里只是为了有个可以求导的量。下图左边是带循环的网络，右边是同一个网络展开后的样子。黑色小方块是*延迟*一步：第 $t$ 步进去的，第 $t+1$ 步才出来。（图里的步数从 0 数起。）
"""


# %% en="Left the loop, right the same loop unfolded over four steps." zh="左：循环。右：同一个循环，展开四步。"
def rnn(state, x):
    return S(state, x), None  # the next state; no other output


def looped(xs):
    last, _ = mg.scan(rnn, mg.zeros(3), xs)
    return mg.sum(last**2)


viz.rolled(mg.trace(looped, xs), steps=4)

# %% [markdown] lang="en"
r"""
`mg.scan` is the loop as *one* operation: it takes a function of (state, input), a first state, and the inputs. Its graph has the same size for four steps and for four thousand. `mg.trace` records the graph; printed, each line is one operation, and the indented lines are one step of the loop:
"""

# %% [markdown] lang="zh"
r"""
`mg.scan` 把整个循环当作*一个*运算：给它一个（状态，输入）的函数、一个初始状态和一串输入。四步也好，四千步也好，它的图一样大。`mg.trace` 记下这张图；打印出来，每行是一个运算，缩进的几行是循环里的一步：
"""

# %%
print(mg.trace(looped, xs))
print("written out", loss.item(), " as a loop", looped(xs).item())

# %% [markdown] lang="en"
r"""
## Backpropagation through time

Unfolded, the network is deep: one layer a step. So it can be trained like any deep network, with one thing to mind: all layers share their weights. Let $L$ be the loss, which looks only at the last state, and $\delta_t = \partial L / \partial S_t$ its gradient at the state of step $t$. The way back from $S_t$ to $S_{t-1}$ leads through the $\tanh$, whose derivative is $1 - \tanh^2 = 1 - S_t^2$, and through $W$ ($\odot$ multiplies element by element):

$$\delta_{t-1} = W^\top \big((1 - S_t^2) \odot \delta_t\big)$$

And since $W$ was used at every step, its gradient is a *sum* over the steps:

$$\frac{\partial L}{\partial W} = \sum_{t=1}^{T} \big((1 - S_t^2) \odot \delta_t\big)\, S_{t-1}^\top$$

This is **backpropagation through time** (BPTT). Here it is, drawn for three steps: above, the steps, from left to right; below, the gradient's own graph, from right to left. The small boxes inside the lower operations (tanh₀, Wᵀ) are values of the forward pass that the gradient needs again. $\partial W$ goes from step to step and grows by a term at each: this is the sum.
"""

# %% [markdown] lang="zh"
r"""
## 随时间反向传播

展开之后，这是一个很深的网络：一步就是一层。所以它可以像任何深层网络一样训练，只有一点要留心：所有的层共用一套权重。损失 $L$ 只看最后一个状态，记 $\delta_t = \partial L / \partial S_t$，也就是传到第 $t$ 步状态的梯度。从 $S_t$ 回到 $S_{t-1}$，先穿过 $\tanh$（导数是 $1 - \tanh^2 = 1 - S_t^2$），再穿过 $W$（$\odot$ 是逐个元素相乘）：

$$\delta_{t-1} = W^\top \big((1 - S_t^2) \odot \delta_t\big)$$

$W$ 每一步都用到，所以它的梯度是各步之*和*：

$$\frac{\partial L}{\partial W} = \sum_{t=1}^{T} \big((1 - S_t^2) \odot \delta_t\big)\, S_{t-1}^\top$$

这就是**随时间反向传播**（BPTT）。画出三步来是这样：上面是前向的各步，从左到右；下面是梯度自己的图，从右到左。下面各个运算里的小方框（tanh₀、Wᵀ）是反向计算还要再用一次的前向值。$\partial W$ 从一步传到下一步，每步加上一项：这就是上面的那个和。
"""

# %% en="Backpropagation through time: the steps above, their gradients below, running back." zh="随时间反向传播：上面是各步，下面是它们的梯度，时间倒着走。"
viz.unrolled(looped, xs[:3], backward=True, level="gate")

# %% [markdown] lang="en"
r"""
A few lines of NumPy do what the formulas say (with rows again, so $W^\top$ is `W`, and the outer product is transposed). The engine must agree, but for the rounding of float32.
"""

# %% [markdown] lang="zh"
r"""
照着公式，用 NumPy 几行就能写出来（仍然用行向量，所以 $W^\top$ 就是 `W`，外积也转置）。引擎算出的结果应当和它一致，只差 float32 的舍入。
"""

# %%
loss.backward()

states = [np.zeros(3, "float32")]  # S_0 … S_4
for x in xs:
    states.append(S(mg.tensor(states[-1]), mg.tensor(x)).numpy())

delta, dW = 2 * states[-1], np.zeros((3, 3), "float32")  # the loss is the sum of S_4²
print(f"‖δ_4‖ = {np.linalg.norm(delta):.4f}")
for t in range(4, 0, -1):
    inner = (1 - states[t] ** 2) * delta
    dW += np.outer(states[t - 1], inner)
    delta = W.numpy() @ inner
    print(
        f"t = {t}: this step adds {np.linalg.norm(np.outer(states[t - 1], inner)):.4f} to dL/dW;"
        f" ‖δ_{t - 1}‖ = {np.linalg.norm(delta):.4f}"
    )

print("largest difference from W.grad:", np.abs(dW - W.grad.numpy()).max())
np.testing.assert_allclose(dW, W.grad.numpy(), atol=1e-6)

# %% [markdown] lang="en"
r"""
Look at the numbers: the further back, the smaller. (The first step adds nothing to the gradient of $W$, because $S_0$ is zero.) Four steps are few, and only a tenth of $\delta$ is left. That is the subject of the [next chapter](4_forgetting.ipynb).

## It learns

An echo: the network must say at each step what it heard three steps ago. It sees a new random number at each step, so it has to hold three numbers in its state, and hand them on. 32 units and 400 updates with Adam take a few seconds; `mg.jit` compiles the update.
"""

# %% [markdown] lang="zh"
r"""
看这些数：越往回越小。（第一步对 $W$ 的梯度没有贡献，因为 $S_0$ 是零。）才四步，$\delta$ 只剩十分之一。这正是[下一章](4_forgetting.ipynb)的主题。

## 它能学会

回声：每一步都要说出三步之前听到的数。每一步来一个新的随机数，所以网络必须在状态里留住三个数，一步步往后传。32 个单元，用 Adam 更新 400 次，只要几秒钟；`mg.jit` 把一次更新编译成机器码。
"""

# %% en="Squared error of the echo while it learns; the dashed line is the error of always saying 0, which is 1/3." zh="学习回声时的平方误差；虚线是一律回答 0 的误差，即 1/3。"
from minigrad.models import RNN

DELAY, STEPS = 3, 400
model = RNN(inputs=1, hidden=32, outputs=1, key=0)
optimizer = mg.optim.Adam(3e-3, clip_norm=1)
state = optimizer.init(model)  # of the optimizer, not of the network


def echo(length, batch):
    heard = rng.uniform(-1, 1, (length + DELAY, batch, 1)).astype("float32")
    return heard[DELAY:], heard[:-DELAY]  # what it hears, what it must say


def error(model, heard, wanted):
    return mg.mse(model(heard)[DELAY:], wanted[DELAY:])  # at first there is nothing to say yet


@mg.jit
def update(model, state, heard, wanted):
    loss, grads = mg.value_and_grad(error)(model, heard, wanted)
    model, state = optimizer.update(model, grads, state)
    return model, state, loss


losses = []
for _ in range(STEPS):
    model, state, found = update(model, state, *echo(20, 32))
    losses.append(found.item())

figure = Figure(figsize=(7, 2.6), layout="constrained")
axis = figure.subplots()
axis.plot(losses)
axis.axhline(1 / 3, color="k", ls="--", lw=1)
axis.set(xlabel="updates", ylabel="squared error", yscale="log")
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
It was trained on sequences of 20 steps. No weight depends on this number. So the same weights run for 500 steps as well, and the error stays far below 1/3:
"""

# %% [markdown] lang="zh"
r"""
训练时每段只有 20 步。可没有哪个权重与 20 有关，所以用同样的权重，500 步照样能跑，误差仍远小于 1/3：
"""

# %%
for length in (20, 100, 500):
    print(f"{length:4} steps: squared error {error(model, *echo(length, 32)).item():.5f}")
print(f"parameters: {mg.module.count(model):,}, for any length")

# %% [markdown] lang="en"
r"""
## Exercises

**1.** The state has $H$ numbers and the input has $D$. How many parameters has the network? How many multiplications does a sequence of $T$ steps take? (Take no output layer.)
"""

# %% [markdown] lang="zh"
r"""
## 练习

**1.** 状态有 $H$ 个数，输入有 $D$ 个数。网络有多少参数？跑完 $T$ 步要做多少次乘法？（不算输出层。）
"""

# %% tags=["hide-cell"]
H, D, T = 32, 3, 1000
parameters, multiplications = D * H + H * H + H, T * (D * H + H * H)
assert parameters == mg.module.count(RNN(D, H))
print(
    f"{parameters:,} parameters, whatever T is; {multiplications:,} multiplications:"
    " twice the text, twice the work"
)

# %% [markdown] lang="en"
r"""
**2.** Take away the $\tanh$, the inputs and the bias, so that $S_t = W S_{t-1}$. What is $S_T$, and what is $\partial S_T / \partial S_0$?
"""

# %% [markdown] lang="zh"
r"""
**2.** 去掉 $\tanh$、输入和偏置，只剩 $S_t = W S_{t-1}$。$S_T$ 是什么？$\partial S_T / \partial S_0$ 又是什么？
"""


# %% tags=["hide-cell"]
def linear(start):
    return mg.scan(lambda s, _: (s @ W, None), start, length=10)[0]


power = np.linalg.matrix_power(W.numpy(), 10)  # multiplies the state, and is the Jacobian
start = rng.standard_normal(3, dtype="float32")
np.testing.assert_allclose(linear(start).numpy(), start @ power, rtol=1e-4, atol=1e-6)
np.testing.assert_allclose(mg.jacobian(linear)(start).numpy(), power.T, rtol=1e-4, atol=1e-6)
print(
    "eigenvalues of W:",
    np.abs(np.linalg.eigvals(W.numpy())).round(3),
    " their tenth powers:",
    np.abs(np.linalg.eigvals(power)).round(4),
)

# %% [markdown] lang="en"
r"""
**3.** *Truncated* BPTT cuts the way back every few steps, to save memory: `mg.scan(..., truncate=2)` cuts it every two. The loss is at the end. Which of four inputs still get a gradient?
"""

# %% [markdown] lang="zh"
r"""
**3.** *截断*的 BPTT 每隔几步把回去的路剪断，以节省内存：`mg.scan(..., truncate=2)`。每两步剪一次，末尾的损失还能把梯度传给四个输入中的哪几个？
"""


# %% tags=["hide-cell"]
def truncated(xs):
    last, _ = mg.scan(rnn, mg.zeros(3), xs, truncate=2)
    return mg.sum(last**2)


norms = np.linalg.norm(mg.grad(truncated)(xs).numpy(), axis=1)
print("gradient norms of the four inputs:", norms.round(4))
assert (norms[:2] == 0).all()
assert (norms[2:] > 0).all()  # only the last two: no more than the cut allows
