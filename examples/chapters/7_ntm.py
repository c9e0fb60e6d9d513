# %% [markdown] lang="en"
r"""
# 7. The Neural Turing Machine

A computer has a processor and a memory, and they are two things. A larger memory needs no larger processor. In an RNN or an LSTM they are one thing, the state: a state of twice the size needs about four times the weights. The **Neural Turing Machine** (Graves, Wayne and Danihelka 2014) takes them apart. It has a network, the *controller*, and beside it an **external memory**: a table of $N$ rows with $W$ numbers each. A *write head* writes to the table, and a *read head* reads from it. (At each step the controller gives each head a few numbers, which say what and where.)

To use a memory one must answer three questions at every step:

1. **Which** information is to be written, and what is to be read?
2. **Where** is it to go, and where does it stand?
3. **When** is it the time to write, to read, to move on?

Nobody tells the network. It learns the answers by gradient descent. "Row 3" has no derivative, so each answer must be *soft*: "row 3 with weight 0.9, row 4 with weight 0.1". This chapter writes the machine down line by line, each equation of the paper with its code. Then it trains the machine, and looks at its heads for the answers.
"""

# %% [markdown] lang="zh"
r"""
# 7. 神经图灵机

计算机有处理器，有内存，这是两样东西：内存加大，处理器不必跟着变大。在 RNN 和 LSTM 里它们是一样东西，就是状态：状态大一倍，网络的权重大约就是四倍。
**神经图灵机**（Graves、Wayne 与 Danihelka 2014）把它们拆开：一个网络做*控制器*，旁边放一块**外部记忆**，也就是一张表，$N$ 行，每行 $W$ 个数。*写头*往里写，*读头*从里读。（每一步，控制器给每个头一小组数，告诉它写什么、在哪里写、从哪里读。）

要用一块记忆，每一步都得回答三个问题：

1. **什么**信息要写下来，什么信息要读出来？
2. 放到**哪里**，又在哪里找？
3. **什么时候**写，什么时候读，什么时候往前走？

没有人告诉网络答案，它要靠梯度下降自己学会。“第 3 行”没有导数，所以每个答案都得是*软*的：“第 3 行占 0.9，第 4 行占 0.1”。这一章把整台机器一行行写出来，论文的每个公式都配上代码；然后训练它，再去看读头和写头，找出三个答案。
"""

# %%
import inspect

import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure
from minigrad.models import NTM, addressing

import minigrad as mg
from minigrad import viz

# %% [markdown] lang="en"
r"""
## Which: reading and writing

A *weighting* $w$ says how much attention each row gets: $N$ numbers, none negative, that sum to 1. It changes at each step, unlike the weights of the network. **Reading** is a weighted mean of the rows (eq. 2 of the paper):

$$r_t = \sum_i w_t(i)\, M_t(i)$$

**Writing** takes two steps: erase, then add. The write head has an erase vector $e$, whose numbers are between 0 and 1, and an add vector $a$ (eqs. 3 and 4; $\odot$ multiplies number by number):

$$\tilde M_t(i) = M_{t-1}(i) \odot \big(1 - w_t(i)\, e_t\big) \qquad M_t(i) = \tilde M_t(i) + w_t(i)\, a_t$$

With $w = 1$ and $e = 1$ a row is replaced. With $w = 0$ it stays exactly as it is: this state is *not* multiplied by a matrix at each step, so neither it nor its gradient fades. In the code, rows are counted from 0.
"""

# %% [markdown] lang="zh"
r"""
## 什么：读与写

*寻址权重* $w$ 说明每一行得到多少注意：$N$ 个非负的数，总和为 1。它每一步都在变，不要与网络自己的权重混淆。**读**就是各行的加权平均（论文式 2）：

$$r_t = \sum_i w_t(i)\, M_t(i)$$

**写**分两个动作：先擦，再加。写头有一个擦除向量 $e$，每个数在 0 与 1 之间，还有一个添加向量 $a$（式 3、4，$\odot$ 是逐个数相乘）：

$$\tilde M_t(i) = M_{t-1}(i) \odot \big(1 - w_t(i)\, e_t\big) \qquad M_t(i) = \tilde M_t(i) + w_t(i)\, a_t$$

$w = 1$ 且 $e = 1$ 时，这一行被换掉；$w = 0$ 时，这一行原封不动。这样的状态*不必*每一步都乘一遍矩阵，它自己不会淡去，梯度也不会消失。代码里，行从 0 数起。
"""

# %%
M = mg.tensor(
    np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]], "float32")
)  # four rows of three numbers
w = mg.tensor(np.array([0, 0.9, 0.1, 0], "float32"))

r = w @ M
print("read:", r.numpy())


def write(M, w, e, a):
    w = mg.expand_dims(w, 1)  # a column: one number for each row of M
    return M * (1 - w * e) + w * a


print(write(M, w, mg.ones(3), mg.tensor([9.0, 9.0, 9.0])).numpy().round(2))

# %% [markdown] lang="en"
r"""
## Where: four steps to an address

**By content** (eqs. 5 and 6). The controller gives a key $k$ ("something like this") and a strength $\beta$. The cosine $K$ compares $k$ with each row: it is 1 where both vectors have the same direction. The greater $\beta$, the more of the weight goes to the most similar row:

$$w^c(i) = \operatorname{softmax}_i\big(\beta\, K[k, M(i)]\big) \qquad K[u, v] = \frac{u \cdot v}{\lVert u\rVert\, \lVert v\rVert}$$

(The code below computes $\sqrt{\lVert u\rVert^2 \lVert v\rVert^2 + 10^{-8}}$ instead. The small number stands *under* the root, so that a row of zeros has similarity 0 and a finite gradient. Added outside it, the gradient of the root at 0 would be infinite.)

**Or where it was before** (eq. 7). The gate $g$, between 0 and 1, chooses between the weighting by content and the weighting of the step before. This is a question of *when*: search again, or go on from here?

$$w^g = g\, w^c + (1 - g)\, w_{t-1}$$

**Shifted** (eq. 8). Three numbers $s$ that sum to 1 say how much to go back by one row, to stay, and to go on by one row. (After the last row comes the first.) With this the table is a *tape*: the head can reach the next row without knowing what is in it.

$$\tilde w(i) = \sum_j w^g(j)\, s(i - j)$$

**Sharpened** (eq. 9). Each soft shift blurs the weighting a little; after twenty steps it is spread over many rows (exercise 1). A power $\gamma \ge 1$ makes it sharp again:

$$w(i) = \frac{\tilde w(i)^\gamma}{\sum_j \tilde w(j)^\gamma}$$

The code writes it as a softmax of $\gamma \log(\tilde w + 10^{-16})$: the same function, but its gradient is finite at $\tilde w = 0$.
"""

# %% [markdown] lang="zh"
r"""
## 哪里：四步定出地址

**按内容找**（式 5、6）。控制器给出一个键 $k$（“像这样的东西”）和一个强度 $\beta$。用余弦 $K$ 把 $k$ 与每一行相比，方向相同时 $K$ 为 1。$\beta$ 越大，权重越集中在最像的那一行：

$$w^c(i) = \operatorname{softmax}_i\big(\beta\, K[k, M(i)]\big) \qquad K[u, v] = \frac{u \cdot v}{\lVert u\rVert\, \lVert v\rVert}$$

（下面的代码算的是 $\sqrt{\lVert u\rVert^2 \lVert v\rVert^2 + 10^{-8}}$。这个很小的数加在根号*里面*，这样全零的行相似度是 0，梯度有限；加在外面，根号在 0 处的梯度就是无穷大。）

**或者接着上次的地方**（式 7）。门 $g$ 在 0 与 1 之间，在“按内容找到的”与“上一步的位置”之间选择。这已经是*什么时候*的问题了：重新找，还是从这里往下走？

$$w^g = g\, w^c + (1 - g)\, w_{t-1}$$

**挪一挪**（式 8）。三个数 $s$，总和为 1：退一行、不动、进一行各占多少（最后一行的下一行是第一行）。有了它，表就成了*磁带*：不必知道下一行里写着什么，也能走到下一行。

$$\tilde w(i) = \sum_j w^g(j)\, s(i - j)$$

**磨尖**（式 9）。每次软软地挪一下，权重都会糊一点，二十步之后就摊到许多行上了（见练习 1）。取 $\gamma \ge 1$ 次方，让它重新变尖：

$$w(i) = \frac{\tilde w(i)^\gamma}{\sum_j \tilde w(j)^\gamma}$$

代码里写成 $\gamma \log(\tilde w + 10^{-16})$ 的 softmax：是同一个函数，但在 $\tilde w = 0$ 处梯度仍然有限。
"""


# %% en="One address, step by step: by content; half of it stays where the head was before (row 6); shifted by one row; sharpened." zh="一个地址的四步：按内容；一半留在原来的位置（第 6 行）；往前挪一行；磨尖。"
def content(k, beta, M):
    cosine = M @ k / mg.sqrt(mg.sum(M * M, 1) * mg.sum(k * k) + 1e-8)
    return mg.softmax(beta * cosine)


def interpolate(g, w, before):
    return g * w + (1 - g) * before


def shift(w, s):
    back, stay, on = mg.split(s, 3)
    return back * mg.roll(w, -1, -1) + stay * w + on * mg.roll(w, 1, -1)


def sharpen(w, gamma):
    return mg.softmax(gamma * mg.log(w + 1e-16))


rng = np.random.default_rng(1)
table = mg.tensor(rng.standard_normal((10, 4), dtype="float32"))
k = table[2] + 0.3 * mg.tensor(rng.standard_normal(4, dtype="float32"))  # something like row 2
stages = {"content, β = 4": content(k, 4.0, table)}
stages["gated, g = 0.5"] = interpolate(0.5, stages["content, β = 4"], mg.one_hot(6, 10, "float32"))
stages["shifted by +1"] = shift(stages["gated, g = 0.5"], mg.tensor([0.05, 0.1, 0.85]))
stages["sharpened, γ = 3"] = sharpen(stages["shifted by +1"], 3.0)

figure = Figure(figsize=(8, 2.2), layout="constrained")
for axis, (name, w) in zip(figure.subplots(1, 4, sharey=True), stages.items(), strict=True):
    axis.bar(range(10), w.numpy(), color="#3A76B0")
    axis.set_title(name, fontsize=9)
    axis.set_xlabel("row")
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
## The whole machine

The controller is an LSTM ([chapter 5](5_lstm.ipynb)) that sees the input and what was read in the step before. One linear layer turns its output into the numbers for both heads; each then goes through the function that gives it its range (a sigmoid for $g$, a softmax for $s$, …). Then the machine writes, reads, and answers. This is all of it.
"""

# %% [markdown] lang="zh"
r"""
## 整台机器

控制器是一个 LSTM（[第 5 章](5_lstm.ipynb)），它看得到当前的输入和上一步读到的东西。一个线性层把它的输出变成两个头要用的数，每个数再经过一个函数，落到该在的范围里（$g$ 用 sigmoid，$s$ 用 softmax，等等）。接下来：写，读，回答。没有别的了。
"""


# %%
def address(p, M, before):
    """Where a head looks, from the numbers p that the controller gives it: k, β, g, s (3), γ."""
    W = M.shape[1]
    k, beta, g, s, gamma = (
        mg.tanh(p[:W]),
        mg.softplus(p[W]),
        mg.sigmoid(p[W + 1]),
        mg.softmax(p[W + 2 : W + 5]),
        1 + mg.softplus(p[W + 5]),
    )
    return sharpen(shift(interpolate(g, content(k, beta, M), before), s), gamma)


def controller(net, x, r, h, c):
    i, f, g, o = mg.split(x @ net.W_x + mg.concat([r, h]) @ net.W_h + net.b, 4)
    c = mg.sigmoid(f) * c + mg.sigmoid(i) * mg.tanh(g)
    return mg.sigmoid(o) * mg.tanh(c), c


def step(net, state, x):
    h, c, M, r, w_read, w_write = state
    W = M.shape[1]
    h, c = controller(net.controller, x, r, h, c)
    p = mg.clip(net.heads(h), -20, 20)  # no number grows without bound
    p_read, p_write, erase, add = p[: W + 6], p[W + 6 : 2 * W + 12], p[2 * W + 12 : -W], p[-W:]
    w_write = address(p_write, M, w_write)
    M = write(M, w_write, mg.sigmoid(erase), mg.tanh(add))
    w_read = address(p_read, M, w_read)
    r = w_read @ M
    return (h, c, M, r, w_read, w_write), net.readout(mg.concat([h, r]))


def run(net, xs):
    """From a fresh memory: both heads on row 0, all rows 1e-6."""
    rows, W = net.memory
    first, zero = mg.one_hot(0, rows, "float32"), mg.zeros(net.controller.hidden)
    start = zero, zero, mg.full((rows, W), 1e-6), mg.tanh(net.r_0)[0], first, first
    return mg.scan(lambda state, x: step(net, state, x), start, xs)[1]


net = NTM(inputs=4, outputs=3, hidden=8, memory=(6, 5), key=1)
xs = rng.standard_normal((7, 4), dtype="float32")
difference = float(mg.max(mg.abs(run(net, xs) - net(xs[:, None])[:, 0])))
print(f"the lines above and minigrad.models.NTM differ by {difference:.1e}")
assert difference < 1e-6

# %% [markdown] lang="en"
r"""
The library's model is the same, and also takes batches, several heads and other controllers. Here are its equations, each beside its line in `models/addressing.py`; the cell checks that these lines are really there.
"""

# %% [markdown] lang="zh"
r"""
库里的模型与此相同，只是还能处理成批的序列、多个头和别的控制器。下面左边是公式，右边是 `models/addressing.py` 里对应的那一行；这些行是否真在文件里，由代码检查。
"""

# %%
table = {
    r"3 | $\tilde M = M \odot (1 - w e)$, head by head": "M = M * (1 - mg.expand_dims(w[:, head], -1) * mg.expand_dims(erase[:, head], 1))",
    r"4 | $M = \tilde M + \sum w a$": "return M + w.mT @ add",
    r"5 | $w^c = \operatorname{softmax}(\beta K)$": "return mg.softmax(beta * similarity(k, M))",
    r"6 | $K = k \cdot M(i) / \sqrt{k^2\, M(i)^2 + \varepsilon}$": "return (k @ M.mT) / mg.sqrt(squares + COSINE_EPSILON)",
    r"7 | $w^g = g w^c + (1-g) w_{t-1}$": "return g * w + (1 - g) * previous",
    r"8 | $\tilde w(i) = \sum_j w^g(j)\, s(i-j)$": "return mg.circular_convolution(w, s)",
    r"9 | $w = \tilde w^\gamma / \sum \tilde w^\gamma$": "return mg.softmax(gamma * mg.log(w + LOG_EPSILON))",
}
source = inspect.getsource(addressing)
assert all(line in source for line in table.values())
rows = [f"| {left} | `{line}` |" for left, line in table.items()]
Markdown("\n".join(["| | | |", "|---|---|---|", *rows]))

# %% [markdown] lang="en"
r"""
## It learns to copy

The task is simple: see some random vectors, then a mark, then give them all back in order. The vectors are new each time, so no weight can know them. Each has four bits, and in training there are 1 to 10 of them; then we ask for lengths that it has never seen.
Below, *bits* is the loss of a whole sequence: 22, one for each bit of a mean sequence, is guessing, and 0 is certain and right. *Wrong* counts the wrong bits.
"""

# %% [markdown] lang="zh"
r"""
## 学会抄写

任务很简单：先看若干个随机向量，再看到一个记号，然后把它们按顺序全部还回来。向量每次都是新的，靠网络的权重是背不下来的。每个向量 4 个比特，训练时长度为 1 到 10；然后用从来没有训练过的长度来考它。
输出里的 bits 是整个序列的损失，以比特计：22 就是瞎猜（平均一个序列有 22 个比特），0 就是全对，而且有十足的把握。wrong 是错了几个比特。
"""

# %%
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

STEPS = 1500
sizes = {"bits": 4, "lengths": "1-10", "hidden": 64, "memory": "48x12", "start": "location"}
training = {"lr": 5e-3, "clip_norm": 10, "batch": 8, "steps": STEPS, "schedule": "cosine"}
experiment = Experiment(Config.of("copy", "ntm", **sizes, **training))
model, optimizer = experiment.model(), experiment.optimizer()
state, update = optimizer.init(model), mg.jit(make_step(experiment.loss, optimizer))
for n in range(STEPS):
    model, state, found = update(model, state, *experiment.data(experiment.keys.data, n))
    if (n + 1) % 250 == 0:
        sample, seen = experiment.measure(model, 100).means, 8 * (n + 1)
        print(f"after {seen:6,}: {sample['bits']:6.2f} of 22 bits, {sample['wrong']:.2f} wrong")

for length in (5, 10, 20, 30, 40):
    wrong = experiment.measure(model, 100, lengths=length).means["wrong"]
    new = " (never trained)" if length > 10 else ""
    print(f"length {length:2}{new:16}: {wrong:.2f} of {4 * length} bits wrong")

# %% [markdown] lang="en"
r"""
## The three answers, read off its heads

One sequence of 15 vectors; time runs to the right. `w write` and `w read` are the weightings of the two heads: one line for each row of the memory, and dark where the weight is.
"""

# %% [markdown] lang="zh"
r"""
## 从读头和写头上读出三个答案

下面是一段 15 个向量的序列，时间向右。`w write` 和 `w read` 是写头和读头的权重：记忆的每一行占一行，颜色深的地方就是权重所在。
"""

# %% en="Copying 15 vectors: input, what is added, where it is written, where it is read, what is read, the output." zh="抄写 15 个向量：输入、写入的内容、写在哪里、从哪里读、读到什么、输出。"
sequence = experiment.batch(experiment.keys.pictures, 0, 1, lengths=15)[0]
names = ["add", "w_write", "w_read", "r", "y", "write.g", "read.g"]
trace = viz.record(lambda m, xs: mg.sum(m(xs)), model, sequence, names=names)
viz.memory({"x": sequence[:, 0], **trace}, title="an NTM copies 15 vectors")

# %% [markdown] lang="en"
r"""
* **Which?** `add` shows what is written: for each input vector a code of 12 numbers. In the second half `r`, what is read, shows the same codes again, in the same order.
* **Where?** The write head draws a diagonal: it moves on by one row at each step, so each vector has a row of its own. After the mark the read head draws the same diagonal.
* **When?** At the mark. Until then the read head rests on no row in particular; at the mark it is at the first row, and then moves on as well. The last lines are the gates $g$ of both heads. That of the write head stays near 0: it always goes on from where it was. That of the read head is near 1 until the mark, which is a search by content; then it falls to a half or less, and the head mainly goes on from where it was. (The write head does not stop at the mark. It writes to rows that are not read.)

This is a program: *write, next; at the mark go back; read, next*. Nobody wrote it. A program does not depend on the length, so it also works, with a few wrong bits, on lengths that were not in training. The weights hold the program; **the memory is state**, and starts empty with every sequence.

`make demo` trains the paper's own setting (8 bits, lengths 1 to 20, memory 128 × 20) with a feed-forward controller. Recorded in `examples/results/copy`, not computed by this page: five of five seeds are below 0.05 bits a sequence after at most 2,500 sequences, and at the end of the training make no mistake at length 40.

## Exercises

**1.** Shift a sharp weighting twenty times, with $s = (0.05, 0.1, 0.85)$. How sharp is it without sharpening, and with $\gamma = 2$ after each step?
"""

# %% [markdown] lang="zh"
r"""
* **什么？** `add` 是写入的内容：每个输入向量变成 12 个数的编码。到了后半段，`r`（读到的内容）按同样的顺序再现这些编码。
* **哪里？** 写头画出一条斜线：一步一行，每个向量住一行。记号之后，读头画出同一条斜线。
* **什么时候？** 看记号。记号之前，读头没有停在哪一行上；记号一到，它就在第一行，然后也一步步往前走。最下面两条线是两个头的门 $g$。写头的门一直接近 0：总是从原地接着走。读头的门在记号之前接近 1，是在按内容找；之后降到一半以下，就主要从原地接着走了。（写头见到记号并不停下，只是接着写的那些行没有人去读。）

这是一段程序：*写，下一行；见到记号，回到开头；读，下一行*。没有人编写过它。程序不管序列有多长，所以换成没训练过的长度也管用，只错几个比特。网络的权重里存的是程序；**记忆是状态**，每来一个新序列都从空白开始。

`make demo` 训练的是论文原来的设置（8 个比特，长度 1 到 20，记忆 128 × 20），控制器用前馈网络。事先记录在 `examples/results/copy` 里的结果（不是这一页现算的）：5 个种子最多用 2,500 个序列就全部降到每个序列 0.05 比特以下，训练完之后，长度 40 时没有一个比特出错。

## 练习

**1.** 取 $s = (0.05, 0.1, 0.85)$，把一个很尖的权重往前挪二十次。不磨尖，它还剩多尖？每一步之后用 $\gamma = 2$ 磨一次呢？
"""

# %% tags=["hide-cell"]
s = mg.tensor([0.05, 0.1, 0.85])
blurred = sharp = mg.one_hot(0, 48, "float32")
for _ in range(20):
    blurred, sharp = shift(blurred, s), sharpen(shift(sharp, s), 2.0)
blurred, sharp = blurred.numpy().max(), sharp.numpy().max()
print(f"greatest weight after 20 steps: {blurred:.2f}, sharpened {sharp:.2f}")
assert blurred < 0.4 < 0.9 < sharp

# %% [markdown] lang="en"
r"""
**2.** Start with equal rows in $M_0$ *and* the same weight on every row. Why can such a machine never learn to use its memory? What does the library do about it?
"""

# %% [markdown] lang="zh"
r"""
**2.** 让 $M_0$ 的各行相同，*并且*一开始每一行的权重也相同。为什么这样的机器永远学不会用记忆？库是怎么处理的？
"""

# %% tags=["hide-cell"]
# Every row is treated like every other: equal rows stay equal, and get equal gradients, for ever.
try:
    NTM(inputs=4, outputs=3, hidden=8, memory=(6, 5), w_0="uniform")
except mg.errors.SettingError as error:
    print("refused:", error)
else:
    raise AssertionError("a symmetric start was taken")

# %% [markdown] lang="en"
r"""
**3.** Does the answer really come from the memory? After the mark, overwrite a row that has not been read yet, and see whether the output changes with it.
"""

# %% [markdown] lang="zh"
r"""
**3.** 答案真的是从记忆里来的吗？记号之后，把还没有读到的一行改掉，看输出跟不跟着变。
"""

# %% tags=["hide-cell"]
ten = experiment.batch(experiment.keys.pictures, 1, 1, lengths=10)[0]
_, state = model.run(ten[:11])  # all vectors and the mark
(written,) = viz.record(lambda m, xs: mg.sum(m(xs)), model, ten, names=["w_write"]).values()
row_of = written[:10, 0].argmax(1)  # where each vector was written
M = state.M.numpy().copy()
M[0, row_of[7]] = M[0, row_of[2]]  # the eighth vector's row becomes that of the third
other = state._replace(M=mg.tensor(M))
answers = [model.run(ten[11:], s)[0].numpy()[:, 0] > 0 for s in (state, other)]
changed = (answers[0] != answers[1]).sum(1)
print("changed bits in each of the ten answers:", changed)
eighth, third = answers[1][7].astype(int), ten[2, 0, :4].astype(int)
print("the eighth answer is now", eighth, "and the third vector was", third)
