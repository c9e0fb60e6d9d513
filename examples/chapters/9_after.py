# %% [markdown] lang="en"
r"""
# 9. What came after

The Neural Turing Machine and MANN showed that a network can learn to use a memory. Two questions followed. How can a memory be *managed* better? And can it be made
*simple* enough for very long sequences? Each section of this chapter takes one idea and runs it in a few lines of code; most of them fit into one equation. All models named here are in the library.

## DNC: which rows are free, and what came after what

The **differentiable neural computer** (Graves et al. 2016) mends two faults of the NTM. An NTM does not know which rows are *free*, so it may overwrite what it still needs. And once its head has jumped, it no longer knows in which order the rows were written.

The DNC keeps the *usage* of each row, and writes to the row that is used least (in a soft way: exercise 3). It also keeps a matrix of *links*: $L[i, j]$ is near 1 if row $i$ was written right after row $j$. Multiply a read weighting by $L$, and it moves to the row that was written next, wherever that is. Here $w_t$ is the write weighting, and $p_t$ says which row was written last (the paper also sets $L[i, i] = 0$):

$$p_t = \Big(1 - \sum_i w_t(i)\Big) p_{t-1} + w_t \qquad L_t[i, j] = \big(1 - w_t(i) - w_t(j)\big) L_{t-1}[i, j] + w_t(i)\, p_{t-1}(j)$$
"""

# %% [markdown] lang="zh"
r"""
# 9. 后来的事

神经图灵机和 MANN 表明，网络可以学会使用记忆。接下来有两个问题：记忆怎样才能*管*得更好？又能不能做得足够*简单*，好处理很长的序列？这一章每一节取一个想法，用几行代码跑一跑；它们大多一个公式就写得完。这里提到的模型，库里都有。

## DNC：哪些行空着，谁在谁后面

**可微神经计算机**（DNC，Graves 等 2016）弥补了 NTM 的两个缺陷。NTM 不知道哪一行*空着*，可能盖掉还要用的东西；写头一旦跳走，它也不再知道各行是按什么顺序写的。

DNC 记下每一行的*用量*，写到用得最少的那一行（以软的方式，见练习 3）。它还记一个*链接*矩阵：如果第 $i$ 行是紧接着第 $j$ 行写的，$L[i, j]$ 就接近 1。拿 $L$ 去乘读头的权重，权重就移到接着写的那一行，不管那一行在哪里。下面 $w_t$ 是写头的权重，$p_t$ 记着最后写的是哪一行（论文还令 $L[i, i] = 0$）：

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
The price is a matrix of $N \times N$ numbers for $N$ rows. Does the trained machine really read from its memory? In the recorded comparison (`examples/results/story`, on the copy task) one row was overwritten during the recall. All output bits of the DNC then follow the new content, and 73 % of the NTM's; 50 % would be chance. **SAM**, sparse access memory (Rae et al. 2016), went for size instead: it reads only the few rows that are most like the key and writes to hardly more, so that the memory can have very many rows.

## Fast weights: a matrix as memory

Here is a memory without addresses and heads: a matrix $S$. To store a value $v$ under a key $k$, add their outer product; to look up $q$, multiply:

$$S_t = S_{t-1} + k_t v_t^\top \qquad y_t = S_t^\top q_t$$

Schmidhuber (1992) called these **fast weights**: weights that another network changes at every step. Ba et al. (2016) put such a matrix, which also decays, into an RNN. *Linear attention* (Katharopoulos et al. 2020) came to the same thing from the other side. Attention without its softmax is $y_t = \sum_{s \le t} (q_t \cdot k_s)\, v_s$. The sum can be made before $q_t$ is known, and then it is the matrix: $\big(\sum_s k_s v_s^\top\big)^\top q_t$. (In practice a positive function is applied to $q$ and $k$ first.)
"""

# %% [markdown] lang="zh"
r"""
代价是一个矩阵：记忆有 $N$ 行，它就有 $N \times N$ 个数。训练好的机器真的是从记忆里读的吗？在事先记录的对比里（`examples/results/story`，抄写任务），回忆到一半时把一行改掉：DNC 输出的比特 100 % 与新内容一致，NTM 是 73 %，瞎猜是 50 %。**SAM**（稀疏访问记忆，Rae 等 2016）追求的是大：只读与键最像的几行，写的也多不了几行，所以记忆可以有非常多的行。

## 快权重：拿矩阵当记忆

这里有一种没有地址、也没有读头写头的记忆：一个矩阵 $S$。要把值 $v$ 存在键 $k$ 之下，就加上它们的外积；要查 $q$，就乘一下：

$$S_t = S_{t-1} + k_t v_t^\top \qquad y_t = S_t^\top q_t$$

Schmidhuber（1992）把它叫做**快权重**：由另一个网络每一步去改的权重。Ba 等（2016）把这样一个矩阵放进 RNN，让它还会衰减。*线性注意力*（Katharopoulos 等 2020）从另一头走到了同一个地方：去掉 softmax 的注意力是 $y_t = \sum_{s \le t} (q_t \cdot k_s)\, v_s$，这个和不必等到 $q_t$ 来了再求，先求出来就是那个矩阵：$\big(\sum_s k_s v_s^\top\big)^\top q_t$。（实际使用时，先让 $q$ 和 $k$ 经过一个取正值的函数。）
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
So its memory is small and of fixed size, like that of an RNN; and in training all steps can be computed at once, like those of attention.

## The delta rule: correct, do not add

But adding has a fault. Tell it *the cat is on the mat*, and later *the cat is on the table*. Asked for the cat, it answers *the mat plus the table*. The **delta rule** (Widrow and Hoff 1960; DeltaNet, Schlag et al. 2021, Yang et al. 2024) first looks up what the memory already says for $k$, and writes only the difference. The number $\beta_t$, from 0 to 1, says how much of it:

$$S_t = S_{t-1} + \beta_t\, k_t \big(v_t - S_{t-1}^\top k_t\big)^\top = (I - \beta_t k_t k_t^\top)\, S_{t-1} + \beta_t k_t v_t^\top$$
"""

# %% [markdown] lang="zh"
r"""
所以它的记忆像 RNN 的那样小，大小固定；训练时又像注意力那样，所有的步可以一起算。

## Delta 规则：改正，而不是添上

可是只会加有毛病。先告诉它*猫在垫子上*，后来又告诉它*猫在桌子上*，问它猫在哪里，它回答：*垫子加桌子*。**Delta 规则**（Widrow 与 Hoff 1960；DeltaNet，Schlag 等 2021，Yang 等 2024）先查一查记忆里 $k$ 现在对应什么，只把差别写进去；写多少，由 0 到 1 之间的数 $\beta_t$ 决定：

$$S_t = S_{t-1} + \beta_t\, k_t \big(v_t - S_{t-1}^\top k_t\big)^\top = (I - \beta_t k_t k_t^\top)\, S_{t-1} + \beta_t k_t v_t^\top$$
"""


# %%
def stored(k, v, beta, rule):
    """The memory after all pairs."""

    def step(S, x):
        k, v = x
        return S + beta * mg.outer(k, v - k @ S if rule == "delta" else v), None

    return mg.scan(step, mg.zeros((k.shape[1], v.shape[1]), "float64"), (k, v))[0]


cat = np.eye(4)[0]
mat, table = np.array([1.0, 0.0]), np.array([0.0, 1.0])
for rule in ("sum", "delta"):
    S = stored(mg.tensor(np.stack([cat, cat])), mg.tensor(np.stack([mat, table])), 1.0, rule)
    print(f"{rule:5} rule: where is the cat? (mat, table) =", (cat @ S).numpy())

# %% [markdown] lang="en"
r"""
How much does such a matrix hold? Random keys are not quite orthogonal, so every new pair disturbs the old ones. With the delta rule the error is smaller:
"""

# %% [markdown] lang="zh"
r"""
这样一个矩阵装得下多少？随机的键不完全正交，每存一对新的，都会扰动旧的。用 Delta 规则，误差要小一些：
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
**Gated DeltaNet** (Yang et al. 2025) also lets the matrix decay before each write, $\alpha_t S_{t-1}$, to make room. **RWKV-7** (Peng et al. 2025) gives each row its own decay, and can remove with one key and write with another.

## What a sign can do: counting

Take a memory that only decays: $S_t = \alpha_t S_{t-1} + \dots$ with $\alpha$ between 0 and 1. In a long sequence it cannot even tell whether the number of ones is odd or even (Grazzi et al. 2024). It can fade, but it cannot change its sign. The delta rule can, if $\beta$ goes up to 2. For $\beta = 2$ and a key of length 1, $I - \beta k k^\top$ is a reflection: it multiplies what is stored at $k$ by −1. Then one number is enough:
"""

# %% [markdown] lang="zh"
r"""
**Gated DeltaNet**（Yang 等 2025）在每次写之前还让矩阵衰减，$\alpha_t S_{t-1}$，好腾出地方。**RWKV-7**（Peng 等 2025）让每一行有自己的衰减率，还可以用一个键来擦，用另一个键来写。

## 一个负号的用处：数数

只会衰减的记忆，$S_t = \alpha_t S_{t-1} + \dots$，$\alpha$ 在 0 和 1 之间，序列一长，连“见过的 1 是奇数个还是偶数个”都说不出（Grazzi 等 2024）。它会淡去，却不会变号。让 $\beta$ 可以大到 2，Delta 规则就能变号：$\beta = 2$ 而键的长度为 1 时，$I - \beta k k^\top$ 是一个反射，把存在 $k$ 之下的内容乘以 −1。这样一个数就够了：
"""


# %%
def parity(bits):
    """A state of one number, multiplied by −1 at each 1: (1 − 2 bit)."""
    return mg.scan(lambda s, bit: ((1 - 2 * bit) * s, None), mg.tensor(1.0), bits)[0]


bits = rng.integers(0, 2, 10_000).astype("float32")
print("ones:", int(bits.sum()), " state:", parity(bits).item())
assert (parity(bits).item() < 0) == bool(bits.sum() % 2)

# %% [markdown] lang="en"
r"""
## A memory that learns while it reads

Where does the delta rule come from? Take as a loss how wrong the answer of $S$ is now, $\lVert S^\top k - v \rVert^2$, and make *one step of gradient descent* with the learning rate $\eta$. That is the delta rule with $\beta = 2\eta$. So while it reads, $S$ is a small model that is being trained. **Test-time training** (TTT, Sun et al. 2024) makes the memory a network that is trained in this way, also when the whole model is only used; **Titans** (Behrouz et al. 2025) add momentum, and a decay to forget.
"""

# %% [markdown] lang="zh"
r"""
## 边读边学的记忆

Delta 规则是从哪里来的？$S$ 现在答得有多差，就拿这个做损失，$\lVert S^\top k - v \rVert^2$，以学习率 $\eta$ 走*一步梯度下降*，得到的正是 $\beta = 2\eta$ 的 Delta 规则。所以 $S$ 是一个小模型，一边读一边在受训练。**测试时训练**（TTT，Sun 等 2024）索性让记忆成为一个网络，就用这个办法训练它，哪怕整个模型早已训练好、只是在使用，也照样训练；**Titans**（Behrouz 等 2025）再加上动量，以及用来遗忘的衰减。
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

The LSTM came back as well. **xLSTM** (Beck et al. 2024) has two cells. In the sLSTM the input gate is an exponential, $i_t = e^{\tilde i_t}$, so that something new can outweigh *everything* before it. The cell is divided by a normaliser $n$, the sum of the same weights without the contents $z$. The mLSTM has such gates, too, and a matrix as its state, like the ones above.
An exponential soon overflows. So $c$ and $n$ are both kept divided by $e^{m}$, with a running maximum $m$; it cancels in $c_t / n_t$ (the output gate is left out here):

$$m_t = \max(\log f_t + m_{t-1},\, \tilde i_t) \qquad c_t = e^{\log f_t + m_{t-1} - m_t} c_{t-1} + e^{\tilde i_t - m_t} z_t \qquad n_t = e^{\log f_t + m_{t-1} - m_t} n_{t-1} + e^{\tilde i_t - m_t}$$

Others took things away. In **minGRU** and **minLSTM** (Feng et al. 2024) the gates see the input only, not the state; then $h_t = a_t \odot h_{t-1} + b_t$, and many steps can be computed at once. So it is in **S6**, the layer of Mamba (Gu and Dao 2023), where the input also chooses how fast each number decays, what is written and what is read.
"""

# %% [markdown] lang="zh"
r"""
## 还有 LSTM

LSTM 也回来了。**xLSTM**（Beck 等 2024）有两种细胞。sLSTM 的输入门是指数，$i_t = e^{\tilde i_t}$，新来的东西可以压过之前的*一切*；细胞要除以归一化量 $n$，它是同样加权、但不乘内容 $z$ 的和。mLSTM 也有这样的门，状态则是前面那样的矩阵。
指数很快就溢出，所以 $c$ 和 $n$ 都除以 $e^{m}$ 来存，$m$ 是随时更新的最大值，到 $c_t / n_t$ 里就约掉了（这里省去输出门）：

$$m_t = \max(\log f_t + m_{t-1},\, \tilde i_t) \qquad c_t = e^{\log f_t + m_{t-1} - m_t} c_{t-1} + e^{\tilde i_t - m_t} z_t \qquad n_t = e^{\log f_t + m_{t-1} - m_t} n_{t-1} + e^{\tilde i_t - m_t}$$

也有人做减法。**minGRU** 和 **minLSTM**（Feng 等 2024）的门只看输入，不看状态，于是 $h_t = a_t \odot h_{t-1} + b_t$，许多步可以一起算。**S6**，也就是 Mamba 里的那一层（Gu 与 Dao 2023），也是这样；每个数衰减多快、写什么、读什么，也都由输入来定。
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
    start = zero, zero, mg.tensor(-1e30) if stable else zero
    return mg.scan(step, start, (i, log_f, z))[1].numpy()


gates = (
    np.array([1.0, 2.0, -1.0, 0.5], "float32"),
    np.full(4, -0.1, "float32"),
    np.array([1.0, -1.0, 0.5, 2.0], "float32"),
)
print("plain: ", exponential_gates(*gates, stable=False))
print("stable:", exponential_gates(*gates, stable=True), " the same")
large = gates[0] + 100, *gates[1:]
print("with gates of e^100, plain: ", exponential_gates(*large, stable=False))
print("with gates of e^100, stable:", exponential_gates(*large, stable=True))
np.testing.assert_allclose(
    exponential_gates(*gates, stable=True), exponential_gates(*gates, stable=False), rtol=1e-5
)
assert np.isfinite(exponential_gates(*large, stable=True)).all()

# %% [markdown] lang="en"
r"""
## The story in a few lines

* RNN: one state, replaced at each step. LSTM, GRU, sLSTM: gates decide what stays. minGRU, minLSTM, S6: the gates see only the input.
* Attention, transformer: everything stays. The price is $n^2$. MemN2N (Sukhbaatar et al. 2015) keeps sentences and reads them several times before it answers; a Hopfield network (Ramsauer et al. 2021) repeats the look-up, and a single one is attention.
* Stack-RNN (Joulin and Mikolov 2015), Tape-RNN (Delétang et al. 2023): an RNN with a stack or a tape, changed only at the top or under the head.
* NTM, MANN, DNC, SAM: a table, with heads that write and read one row, or a few, at a time.
* Linear attention, DeltaNet, RWKV-7, mLSTM: a matrix, written by outer products. Of fixed size, and many steps at once.
* TTT, Titans: the memory is itself a model that learns.

`minigrad train TASK --model NAME` trains each of the models below. `examples/results/story` compares seven of them on three tasks, three seeds each.
"""

# %% [markdown] lang="zh"
r"""
## 回头看：几行话

* RNN：一个状态，每一步换掉。LSTM、GRU、sLSTM：由门决定什么留下。minGRU、minLSTM、S6：门只看输入。
* 注意力、Transformer：全都留下，代价是 $n^2$。MemN2N（Sukhbaatar 等 2015）留下的是句子，回答之前要读上几遍；Hopfield 网络（Ramsauer 等 2021）把查找重复几次，只查一次就是注意力。
* Stack-RNN（Joulin 与 Mikolov 2015）、Tape-RNN（Delétang 等 2023）：RNN 加一个栈或一条磁带，只在栈顶或磁头下面改动。
* NTM、MANN、DNC、SAM：一张表，读头和写头一次读写一行或几行。
* 线性注意力、DeltaNet、RWKV-7、mLSTM：一个矩阵，用外积来写。大小固定，许多步可以一起算。
* TTT、Titans：记忆自己就是一个会学习的模型。

下面这些模型都可以用 `minigrad train TASK --model NAME` 训练。`examples/results/story` 里有其中七个的对比，三个任务，各三个种子。
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
**3.** The DNC chooses the row to write to by its usage. Sort the rows by usage $u$, least first, into the order $\phi_1, \phi_2, \dots$; row $\phi_j$ gets the share $a[\phi_j] = (1 - u[\phi_j]) \prod_{i<j} u[\phi_i]$. What does it give if one row is free, and if none is?
"""

# %% [markdown] lang="zh"
r"""
**3.** DNC 按用量决定写到哪一行。把各行按用量 $u$ 从少到多排成 $\phi_1, \phi_2, \dots$，第 $\phi_j$ 行分到 $a[\phi_j] = (1 - u[\phi_j]) \prod_{i<j} u[\phi_i]$。有一行空着时，它给出什么？一行也不空呢？
"""


# %% tags=["hide-cell"]
def allocation(u):
    order = np.argsort(u)
    a = np.zeros_like(u)
    a[order] = (1 - u[order]) * np.concatenate([[1], np.cumprod(u[order])[:-1]])
    return a


one_free, none_free = allocation(np.array([1.0, 0.3, 0.0, 0.9])), allocation(np.ones(4))
print(one_free, none_free)  # all to the free row; nothing, so that nothing is overwritten
assert one_free.tolist() == [0, 0, 1, 0]
assert none_free.sum() == 0
