# %% [markdown] lang="en"
r"""
# 9. What came after

The Neural Turing Machine and MANN showed that a network can learn to use a memory. What followed asked two questions of them. How can a memory be *managed* better? And can it be made
*simple* enough for very long sequences? This chapter takes one idea from each of the answers and runs it, in a few lines. Most of them fit in one equation.

## DNC: which rows are free, and what came after what

The **differentiable neural computer** (Graves et al. 2016) mends two faults of the NTM. An NTM has no notion of a row that is *free*; it may write over what it still needs. And once its head has jumped, it does not know any more what was written after what.

The DNC keeps the *usage* of each row, and *allocates* the one used least. And it keeps a matrix of *links*: $L[i, j]$ is near 1 if row $i$ was written right after row $j$. To read on in the order of writing, wherever the rows lie, multiply by it:

$$p_t = \Big(1 - \sum_i w_t(i)\Big) p_{t-1} + w_t \qquad L_t[i, j] = \big(1 - w_t(i) - w_t(j)\big) L_{t-1}[i, j] + w_t(i)\, p_{t-1}(j)$$
"""

# %% [markdown] lang="zh"
r"""
# 9. 后来的事

神经图灵机和 MANN 表明，网络可以学会使用记忆。后来的工作问了两个问题：记忆怎样才能*管*得更好？能不能简单到可以处理很长的序列？这一章从每个回答里取一个想法，用几行代码跑一跑。它们大多一个公式就写得完。

## DNC：哪些行空着，谁在谁后面

**可微神经计算机**（DNC，Graves 等 2016）补上了 NTM 的两个缺口。NTM 不知道哪一行*空着*，可能盖掉还要用的东西；写头一旦跳走，它也不再知道什么是接着什么写的。

DNC 记下每一行的*使用情况*，*分配*用得最少的一行。它还记一个*链接*矩阵：如果第 $i$ 行是紧接着第 $j$ 行写的，$L[i, j]$ 就接近 1。不管各行散在哪里，乘上它，就能按写入的顺序往下读：

$$p_t = \Big(1 - \sum_i w_t(i)\Big) p_{t-1} + w_t \qquad L_t[i, j] = \big(1 - w_t(i) - w_t(j)\big) L_{t-1}[i, j] + w_t(i)\, p_{t-1}(j)$$
"""

# %%
import numpy as np
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import viz

rng = np.random.default_rng(0)


def linked(writes, rows=6):
    """The links after writes to these rows, one after the other."""

    def step(carry, w):
        L, p = carry
        column, row = mg.expand_dims(w, 1), mg.expand_dims(w, 0)
        L = (1 - column - row) * L + column * mg.expand_dims(p, 0)
        return (L, (1 - mg.sum(w)) * p + w), None

    (L, _), _ = mg.scan(
        step,
        (mg.zeros((rows, rows)), mg.zeros(rows)),
        mg.one_hot(np.array(writes), rows, "float32"),
    )
    return L


L = linked([4, 1, 5, 0])
w = mg.one_hot(4, 6, "float32")
read = [4]
for _ in range(3):
    w = L @ w
    read.append(int(w.numpy().argmax()))
print("written in the order 4, 1, 5, 0; read on from 4 by the links:", read)
assert read == [4, 1, 5, 0]

# %% [markdown] lang="en"
r"""
The price is a matrix with the square of the number of rows. Does it really read from its memory? In the recorded comparison (`examples/results/story`), one row was overwritten in mid-recall: the DNC's outputs follow it in 100 % of the bits, the NTM's in 73 %.

## Fast weights: a matrix as memory

Here is a memory without rows and heads. It is a matrix $S$, and to store that the key $k$ means the value $v$, add their outer product; to look up $q$, multiply:

$$S_t = S_{t-1} + k_t v_t^\top \qquad y_t = S_t^\top q_t$$

Schmidhuber (1992) called these **fast weights**: weights that another network writes, at every step. They were found again as *linear attention* (Katharopoulos et al. 2020), and that is no accident: attention without its softmax is the same thing. $\sum_s (q_t \cdot k_s)\, v_s$ may be summed over $s$ first or last.
"""

# %% [markdown] lang="zh"
r"""
代价是一个大小为行数平方的矩阵。它真的是从记忆里读的吗？在事先记录的对比里（`examples/results/story`），回忆到一半时把一行改掉：DNC 的输出 100 % 跟着变，NTM 是 73 %。

## 快权重：拿矩阵当记忆

这里有一种没有行、也没有头的记忆。它是一个矩阵 $S$：要存"键 $k$ 的意思是值 $v$"，就加上它们的外积；要查 $q$，就乘一下：

$$S_t = S_{t-1} + k_t v_t^\top \qquad y_t = S_t^\top q_t$$

Schmidhuber（1992）把它叫做**快权重**：由另一个网络每一步写进去的权重。后来它又以*线性注意力*的名字被重新发现（Katharopoulos 等 2020），这不是巧合：去掉 softmax 的注意力就是它。$\sum_s (q_t \cdot k_s)\, v_s$，对 $s$ 先求和后求和都一样。
"""


# %%
def fast_weights(q, k, v):
    def step(S, x):
        q, k, v = x
        S = S + mg.outer(k, v)
        return S, q @ S

    return mg.scan(step, mg.zeros((k.shape[1], v.shape[1]), "float64"), (q, k, v))[1]


q, k, v = (mg.tensor(rng.standard_normal((20, 8))) for _ in range(3))
attention = mg.tril(q @ k.mT) @ v  # every word with every word before it, no softmax
difference = np.abs(fast_weights(q, k, v).numpy() - attention.numpy()).max()
print(f"the loop and the attention differ by {difference:.1e}")
assert difference < 1e-12

# %% [markdown] lang="en"
r"""
So it has the memory of an RNN, fixed and small, and the training of attention, all at once.

## The delta rule: correct, do not add

But adding has a fault. Tell it *the key is under the mat*, and later *the key is on the table*. It answers: *under the mat plus on the table*. The **delta rule** (Widrow and Hoff 1960; DeltaNet, Schlag et al. 2021, Yang et al. 2024) first looks up what it already says, and writes only the difference:

$$S_t = S_{t-1} + \beta_t\, k_t \big(v_t - S_{t-1}^\top k_t\big)^\top = (I - \beta_t k_t k_t^\top)\, S_{t-1} + \beta_t k_t v_t^\top$$
"""

# %% [markdown] lang="zh"
r"""
所以它有 RNN 那样固定而小的记忆，又能像注意力那样一次训练完。

## Delta 规则：改正，而不是添上

可是只会加有毛病。先告诉它*钥匙在垫子下面*，后来又告诉它*钥匙在桌上*，它回答：*在垫子下面加在桌上*。**Delta 规则**（Widrow 与 Hoff 1960；DeltaNet，Schlag 等 2021，Yang 等 2024）先查一查现在是怎么说的，只把差别写进去：

$$S_t = S_{t-1} + \beta_t\, k_t \big(v_t - S_{t-1}^\top k_t\big)^\top = (I - \beta_t k_t k_t^\top)\, S_{t-1} + \beta_t k_t v_t^\top$$
"""


# %%
def stored(k, v, beta, rule):
    """The memory after all pairs."""

    def step(S, x):
        k, v = x
        return S + beta * mg.outer(k, v - k @ S if rule == "delta" else v), None

    return mg.scan(step, mg.zeros((k.shape[1], v.shape[1]), "float64"), (k, v))[0]


key = np.eye(4)[0]
mat, table = np.array([1.0, 0.0]), np.array([0.0, 1.0])
for rule in ("sum", "delta"):
    S = stored(mg.tensor(np.stack([key, key])), mg.tensor(np.stack([mat, table])), 1.0, rule)
    print(f"{rule:5} rule: where is the key?", (key @ S).numpy())

# %% [markdown] lang="en"
r"""
How much does such a matrix hold? With random keys, which are not quite orthogonal, every new pair disturbs the old ones. The delta rule disturbs them less:
"""

# %% [markdown] lang="zh"
r"""
这样一个矩阵装得下多少？随机的键不完全正交，每存一对新的，都会扰动旧的。Delta 规则扰动得少些：
"""

# %% en="Error of what is looked up, against the number of pairs, in a memory of 16 × 16." zh="查到的值的误差随存入的对数变化，记忆大小 16 × 16。"
D, COUNTS = 16, (2, 4, 8, 12, 16, 24, 32)


def error(rule, count):
    found = []
    for _ in range(20):
        k = rng.standard_normal((count, D))
        k /= np.linalg.norm(k, axis=1, keepdims=True)
        v = rng.standard_normal((count, D))
        S = stored(mg.tensor(k), mg.tensor(v), 1.0, rule).numpy()
        found.append(((k @ S - v) ** 2).mean() / (v**2).mean())
    return np.mean(found)


figure = Figure(figsize=(7, 2.8), layout="constrained")
axis = figure.subplots()
errors = {rule: [error(rule, n) for n in COUNTS] for rule in ("sum", "delta")}
for rule, found in errors.items():
    axis.plot(COUNTS, found, "o-", label=f"{rule} rule")
axis.axvline(D, color="k", ls=":", lw=1)
axis.set(
    xlabel="pairs stored (dotted: as many as the keys have numbers)",
    ylabel="squared error, relative",
)
axis.legend()
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
## What a sign can do: counting

A memory that only decays, $S_t = \alpha_t S_{t-1} + \dots$ with $\alpha$ between 0 and 1, cannot even tell whether it has seen an even or an odd number of ones (Grazzi et al. 2024). It can fade, but it cannot *turn*. With $\beta = 2$ the factor $I - \beta k k^\top$ is a reflection, its eigenvalue along $k$ is −1, and one number is enough:
"""

# %% [markdown] lang="zh"
r"""
## 一个符号的用处：数数

只会衰减的记忆，$S_t = \alpha_t S_{t-1} + \dots$，$\alpha$ 在 0 和 1 之间，连"见过的 1 是奇数个还是偶数个"都说不出（Grazzi 等 2024）。它会淡去，却不会*翻转*。取 $\beta = 2$，因子 $I - \beta k k^\top$ 就是一个反射，沿 $k$ 的特征值是 −1，一个数就够了：
"""


# %%
def parity(bits):
    """A state of one number, turned by each 1: (1 − 2 bit)."""
    return mg.scan(lambda s, bit: ((1 - 2 * bit) * s, None), mg.tensor(1.0), bits)[0]


bits = rng.integers(0, 2, 10_000).astype("float32")
print("ones:", int(bits.sum()), " state:", parity(bits).item())
assert (parity(bits).item() < 0) == bool(bits.sum() % 2)

# %% [markdown] lang="en"
r"""
## A memory that learns while it reads

Where does the delta rule come from? Take as loss how badly $S$ answers now, $\lVert S^\top k - v \rVert^2$, and make *one step of gradient descent* on it. That is the delta rule, with $\beta = 2\eta$. Reading a text is training a small model on it. **Test-time training** (Sun et al. 2024) takes this at its word and makes the memory a network; **Titans** (Behrouz et al. 2025) add momentum, and a decay that forgets.
"""

# %% [markdown] lang="zh"
r"""
## 边读边学的记忆

Delta 规则是从哪里来的？拿 $S$ 现在答得有多差做损失，$\lVert S^\top k - v \rVert^2$，在上面走*一步梯度下降*，就是 $\beta = 2\eta$ 的 Delta 规则。读一段文字，就是拿它训练一个小模型。**测试时训练**（TTT，Sun 等 2024）把这话当真，让记忆本身就是一个网络；**Titans**（Behrouz 等 2025）再加上动量和会遗忘的衰减。
"""


# %%
def learned(k, v, rate):
    def step(S, x):
        k, v = x
        gradient = mg.grad(lambda S: mg.sum((k @ S - v) ** 2))(S)  # a gradient inside the loop
        return S - rate * gradient, None

    return mg.scan(step, mg.zeros((k.shape[1], v.shape[1]), "float64"), (k, v))[0]


difference = np.abs((learned(k, v, 0.05) - stored(k, v, 0.1, "delta")).numpy()).max()
print(f"gradient descent and the delta rule differ by {difference:.1e}")
assert difference < 1e-12

# %% [markdown] lang="en"
r"""
## And the LSTM

The LSTM came back as well. **xLSTM** (Beck et al. 2024) gives it gates that are exponentials, so that something new can outweigh *everything* before it, and a second cell, the mLSTM, whose state is a matrix such as the above. An exponential overflows; so both cell and normaliser are kept relative to a running maximum $m$, which cancels in the end:

$$m_t = \max(\log f_t + m_{t-1},\, \tilde i_t) \qquad c_t = e^{\log f_t + m_{t-1} - m_t} c_{t-1} + e^{\tilde i_t - m_t} z_t \qquad h_t = c_t / n_t$$
"""

# %% [markdown] lang="zh"
r"""
## 还有 LSTM

LSTM 也回来了。**xLSTM**（Beck 等 2024）给它换上指数的门，让新来的东西可以压过之前的*一切*；又造了第二种细胞 mLSTM，状态就是上面那样的矩阵。指数会溢出，所以细胞和归一化量都相对于一个随时更新的最大值 $m$ 来存，最后 $m$ 会约掉：

$$m_t = \max(\log f_t + m_{t-1},\, \tilde i_t) \qquad c_t = e^{\log f_t + m_{t-1} - m_t} c_{t-1} + e^{\tilde i_t - m_t} z_t \qquad h_t = c_t / n_t$$
"""


# %%
def exponential_gates(i, log_f, z, stable):
    def step(carry, x):
        c, n, m = carry
        i, log_f, z = x
        new = mg.maximum(log_f + m, i) if stable else m * 0
        keep, take = mg.exp(log_f + m - new), mg.exp(i - new)
        c, n = keep * c + take * z, keep * n + take
        return (c, n, new), c / n

    zero = mg.tensor(0.0)
    return mg.scan(step, (zero, zero, mg.tensor(-1e30) if stable else zero), (i, log_f, z))[1].numpy()


gates = (
    np.array([1.0, 2.0, -1.0, 0.5], "float32"),
    np.full(4, -0.1, "float32"),
    np.array([1.0, -1.0, 0.5, 2.0], "float32"),
)
print("plain: ", exponential_gates(*gates, stable=False))
print("stable:", exponential_gates(*gates, stable=True), " the same")
large = gates[0] + 100, *gates[1:]
print("with gates of e^100, stable:", exponential_gates(*large, stable=True))
np.testing.assert_allclose(
    exponential_gates(*gates, stable=True), exponential_gates(*gates, stable=False), rtol=1e-5
)
assert np.isfinite(exponential_gates(*large, stable=True)).all()

# %% [markdown] lang="en"
r"""
## The story in one line each

* RNN: one state, replaced at each step. LSTM, GRU: gates decide what stays.
* Attention: everything stays. The price is $n^2$.
* NTM, MANN, DNC: a table, written by heads. Exact and slow.
* Fast weights, DeltaNet, mLSTM: a matrix, written by outer products. Fast, and of fixed size.
* TTT, Titans: the memory is itself a model that learns.

`minigrad train TASK --model NAME` trains those that the library has: these, with the recorded seeds of the comparison to look at in `examples/results/story`.
"""

# %% [markdown] lang="zh"
r"""
## 一行一个，回头看

* RNN：一个状态，每一步换掉。LSTM、GRU：由门决定什么留下。
* 注意力：全都留下，代价是 $n^2$。
* NTM、MANN、DNC：一张表，由读头写头读写。精确，但慢。
* 快权重、DeltaNet、mLSTM：一个矩阵，用外积来写。快，大小固定。
* TTT、Titans：记忆自己就是一个会学习的模型。

库里有的模型都可以用 `minigrad train TASK --model NAME` 训练，就是下面这些；它们的对比和全部种子记录在 `examples/results/story`。
"""

# %%
from minigrad.experiments import MODELS

print(", ".join(MODELS))

# %% [markdown] lang="en"
r"""
## Exercises

**1.** With orthonormal keys and $\beta = 1$, the delta rule is an exact dictionary. Show that rewriting one key changes no other.
"""

# %% [markdown] lang="zh"
r"""
## 练习

**1.** 键两两正交、长度为 1，且 $\beta = 1$ 时，Delta 规则就是一本精确的字典。验证重写一个键不影响别的键。
"""

# %% tags=["hide-cell"]
keys = np.linalg.qr(rng.standard_normal((8, 8)))[0]
values = rng.standard_normal((9, 3))
S = stored(mg.tensor(np.concatenate([keys, keys[2:3]])), mg.tensor(values), 1.0, "delta").numpy()
expected = values[:8].copy()
expected[2] = values[8]
np.testing.assert_allclose(keys @ S, expected, atol=1e-12)
print("eight keys, the third rewritten, all exact")

# %% [markdown] lang="en"
r"""
**2.** One reflection counts modulo 2. Show that two reflections whose axes are 60° apart count modulo 3.
"""

# %% [markdown] lang="zh"
r"""
**2.** 一个反射可以模 2 计数。验证：轴相差 60° 的两个反射可以模 3 计数。
"""

# %% tags=["hide-cell"]
axes = [np.array([np.cos(a), np.sin(a)]) for a in (0, np.pi / 3)]
turn = np.linalg.multi_dot(
    [np.eye(2) - 2 * np.outer(u, u) for u in axes]
)  # two reflections are a rotation by 120°
np.testing.assert_allclose(np.linalg.matrix_power(turn, 3), np.eye(2), atol=1e-12)
assert np.abs(turn - np.eye(2)).max() > 0.5
print(turn.round(3))

# %% [markdown] lang="en"
r"""
**3.** The DNC allocates by usage. Sort the rows by usage, least first; row $\phi_j$ gets $a[\phi_j] = (1 - u[\phi_j]) \prod_{i<j} u[\phi_i]$. What does it give if one row is free, and if none is?
"""

# %% [markdown] lang="zh"
r"""
**3.** DNC 按使用情况分配。把各行按用量从少到多排好，第 $\phi_j$ 行得到 $a[\phi_j] = (1 - u[\phi_j]) \prod_{i<j} u[\phi_i]$。有一行空着时，它给出什么？一行也不空呢？
"""


# %% tags=["hide-cell"]
def allocation(u):
    order = np.argsort(u)
    a = np.zeros_like(u)
    a[order] = (1 - u[order]) * np.concatenate([[1], np.cumprod(u[order])[:-1]])
    return a


one_free, none_free = allocation(np.array([1.0, 0.3, 0.0, 0.9])), allocation(np.ones(4))
print(one_free, none_free)  # all of it to the free row; nothing at all, so that nothing is overwritten
assert one_free.tolist() == [0, 0, 1, 0]
assert none_free.sum() == 0
