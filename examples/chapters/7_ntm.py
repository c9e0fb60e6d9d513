# %% [markdown] lang="en"
r"""
# 7. The Neural Turing Machine

A computer has a processor and a memory, and they are two things. A larger memory needs no larger processor. In an RNN and an LSTM they are one thing: what it can hold is what its state has room for, and the weights grow with the square of that. The **Neural Turing Machine** (Graves, Wayne and Danihelka 2014) takes them apart: a network, the *controller*, beside an **external memory**, a table of $N$ rows with $W$ numbers each. *Heads* write to it and read from it.

To use a memory one must answer three questions at every step:

1. **Which** information is to be written, and what is to be read?
2. **Where** is it to go, and where does it stand?
3. **When** is it the time to write, to read, to move on?

Nobody tells the network. It learns the answers by gradient descent, and so each of them has to be a *soft* answer: not "row 3" but "row 3 with weight 0.9, row 4 with 0.1". This chapter writes the machine down line by line, each equation of the paper beside its code, trains it, and then reads the answers off its heads.
"""

# %% [markdown] lang="zh"
r"""
# 7. 神经图灵机

计算机有处理器，有内存，这是两样东西：内存加大，处理器不必跟着变大。在 RNN 和 LSTM 里它们是一样东西：能记多少，全看状态有多大，而权重随状态大小的平方增长。
**神经图灵机**（Graves、Wayne 与 Danihelka 2014）把它们拆开：一个网络做*控制器*，旁边放一块**外部记忆**，也就是一张表，$N$ 行，每行 $W$ 个数。*写头*往里写，*读头*从里读。

要用一块记忆，每一步都得回答三个问题：

1. **什么**信息要写下来，什么信息要读出来？
2. 放到**哪里**，又在哪里找？
3. **什么时候**写，什么时候读，什么时候往前走？

没有人告诉网络答案，它要靠梯度下降自己学会。所以每个答案都得是*软*的：不说"第 3 行"，而说"第 3 行占 0.9，第 4 行占 0.1"。这一章把整台机器一行行写出来，论文的每个公式旁边就是它的代码；然后训练它，再从读头和写头上把三个答案读出来。
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

A weighting $w$ says how much attention each row gets: $N$ numbers, none negative, that sum to 1. **Reading** is a weighted mean of the rows (eq. 2 of the paper):

$$r_t = \sum_i w_t(i)\, M_t(i)$$

**Writing** is done in two moves, as on a tape: erase, then add. The head has an erase vector $e$, each number between 0 and 1, and an add vector $a$ (eqs. 3 and 4):

$$\tilde M_t(i) = M_{t-1}(i) \odot \big(1 - w_t(i)\, e_t\big) \qquad M_t(i) = \tilde M_t(i) + w_t(i)\, a_t$$

With $w = 1$ and $e = 1$ a row is replaced. With $w = 0$ it stays as it is, to the last bit: here is the state that is *not* multiplied at each step.
"""

# %% [markdown] lang="zh"
r"""
## 什么：读与写

权重 $w$ 说明每一行得到多少注意：$N$ 个非负的数，总和为 1。**读**就是各行的加权平均（论文式 2）：

$$r_t = \sum_i w_t(i)\, M_t(i)$$

**写**分两个动作，像在磁带上一样：先擦，再加。写头有一个擦除向量 $e$，每个数在 0 与 1 之间，还有一个添加向量 $a$（式 3、4）：

$$\tilde M_t(i) = M_{t-1}(i) \odot \big(1 - w_t(i)\, e_t\big) \qquad M_t(i) = \tilde M_t(i) + w_t(i)\, a_t$$

$w = 1$ 且 $e = 1$ 时，这一行被换掉；$w = 0$ 时，这一行原封不动，一个比特也不变。这才是*不必*每一步都去乘一遍的状态。
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

**By content** (eqs. 5 and 6). The controller gives a key $k$, "something like this", and a strength $\beta$. Rows that point the same way as $k$ get the weight; the greater $\beta$, the more of it goes to the best one:

$$w^c(i) = \operatorname{softmax}_i\big(\beta\, K[k, M(i)]\big) \qquad K[u, v] = \frac{u \cdot v}{\lVert u\rVert\, \lVert v\rVert}$$

(The small number stands *under* the root. A row of zeros then has likeness 0 and a finite gradient; outside it, the gradient of the root at 0 would be infinite.)

**Or where I was** (eq. 7). The gate $g$ chooses between the content and the weighting of the step before. This is a question of *when*: search anew, or go on from here?

$$w^g = g\, w^c + (1 - g)\, w_{t-1}$$

**Moved** (eq. 8). Three numbers $s$ that sum to 1: how much to go back by one row, stay, or go on by one. This is what makes a *tape* of the table: the next row can be reached without knowing what is in it.

$$\tilde w(i) = \sum_j w^g(j)\, s(i - j)$$

**Sharpened** (eq. 9). Each soft shift blurs the weighting a little, and after twenty steps it would be spread over the whole table. A power $\gamma \ge 1$ makes it sharp again:

$$w(i) = \frac{\tilde w(i)^\gamma}{\sum_j \tilde w(j)^\gamma}$$

A softmax of $\gamma \log \tilde w$ is the same function, without trouble at 0.
"""

# %% [markdown] lang="zh"
r"""
## 哪里：四步定出地址

**按内容找**（式 5、6）。控制器给出一个键 $k$（"像这样的东西"）和一个强度 $\beta$。方向与 $k$ 一致的行得到权重；$\beta$ 越大，越集中在最像的那一行：

$$w^c(i) = \operatorname{softmax}_i\big(\beta\, K[k, M(i)]\big) \qquad K[u, v] = \frac{u \cdot v}{\lVert u\rVert\, \lVert v\rVert}$$

（小数加在根号*里面*。这样全零的行相似度是 0，梯度有限；加在外面，根号在 0 处的梯度就是无穷大。）

**或者接着上次的地方**（式 7）。门 $g$ 在"按内容找到的"与"上一步的位置"之间选择。这已经是*什么时候*的问题了：重新找，还是从这里往下走？

$$w^g = g\, w^c + (1 - g)\, w_{t-1}$$

**挪一挪**（式 8）。三个数 $s$，总和为 1：退一行、不动、进一行各占多少。有了它，表就成了*磁带*：不必知道下一行里写着什么，也能走到下一行。

$$\tilde w(i) = \sum_j w^g(j)\, s(i - j)$$

**磨尖**（式 9）。每次软软地挪一下，权重都会糊一点，二十步之后就摊满整张表了。取 $\gamma \ge 1$ 次方，让它重新变尖：

$$w(i) = \frac{\tilde w(i)^\gamma}{\sum_j \tilde w(j)^\gamma}$$

写成 $\gamma \log \tilde w$ 的 softmax 是同一个函数，在 0 处却没有麻烦。
"""


# %% en="One address, step by step: by content; half of it where the head was before (row 6); moved on by a row; sharpened." zh="一个地址的四步：按内容；一半留在原来的位置（第 6 行）；往前挪一行；磨尖。"
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


rng = np.random.default_rng(3)
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

The controller is an LSTM ([chapter 5](5_lstm.ipynb)) that sees the input and what was read last. One linear layer turns its output into the parameters of both heads. Then: write, read, answer. This is all of it.
"""

# %% [markdown] lang="zh"
r"""
## 整台机器

控制器是一个 LSTM（[第 5 章](5_lstm.ipynb)），它看得到当前的输入和上一步读到的东西。一个线性层把它的输出变成两个头的全部参数。接下来：写，读，回答。没有别的了。
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
    p = mg.clip(net.heads(h), -20, 20)
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
The model of the library is the same for batches, several heads and other controllers. Its equations, each beside its line in `models/addressing.py`; the cell sees to it that the table is true.
"""

# %% [markdown] lang="zh"
r"""
库里的模型与此相同，只是还能处理一批序列、多个头和别的控制器。公式与 `models/addressing.py` 里的代码一一对应；这张表是不是真的，由代码检查。
"""

# %%
table = {
    r"3, 4 | $M \odot \prod (1 - w e) + \sum w a$": "return M + w.mT @ add",
    r"5 | $w^c = \operatorname{softmax}(\beta K)$": "return mg.softmax(beta * similarity(k, M))",
    r"6 | $K = k \cdot M(i) / \sqrt{k^2\, M(i)^2 + \varepsilon}$": "return (k @ M.mT) / mg.sqrt(squares + COSINE_EPSILON)",
    r"7 | $w^g = g w^c + (1-g) w_{t-1}$": "return g * w + (1 - g) * previous",
    r"8 | $\tilde w(i) = \sum_j w^g(j)\, s(i-j)$": "return mg.circular_convolution(w, s)",
    r"9 | $w = \tilde w^\gamma / \sum \tilde w^\gamma$": "return mg.softmax(gamma * mg.log(w + LOG_EPSILON))",
}
source = inspect.getsource(addressing)
assert all(line in source for line in table.values())
Markdown("\n".join(["| | | |", "|---|---|---|", *(f"| {left} | `{line}` |" for left, line in table.items())]))

# %% [markdown] lang="en"
r"""
## It learns to copy

The task is plain: see some random vectors, then a mark, then give them all back in order. No weight can help, as the vectors are new each time. Four bits, lengths 1 to 10 in training; then we ask for lengths that it has never seen.
"""

# %% [markdown] lang="zh"
r"""
## 学会抄写

任务很简单：先看若干个随机向量，再看到一个记号，然后把它们按顺序全部还回来。向量每次都是新的，靠权重是背不下来的。每个向量 4 个比特，训练时长度为 1 到 10；然后用从来没有训练过的长度来考它。
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
        sample = experiment.measure(model, 100).means
        print(
            f"after {8 * (n + 1):6,} sequences: {sample['bits']:6.2f} of 22 bits, {sample['wrong']:.2f} wrong"
        )

for length in (5, 10, 20, 30, 40):
    wrong = experiment.measure(model, 100, lengths=length).means["wrong"]
    print(
        f"length {length:2}{' (never trained)' if length > 10 else '':16}: {wrong:.2f} of {4 * length} bits wrong"
    )

# %% [markdown] lang="en"
r"""
## The three answers, read off its heads

One sequence of 15 vectors. Time runs to the right. `w write` and `w read` are the weightings: a row for each row of the memory, dark where the weight is.
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
* **Which?** What is added has the pattern of the input: one code for each vector. What is read, in the second half, is the same pattern again.
* **Where?** The write head draws a diagonal: one row a step, each vector in a row of its own. The read head draws the same diagonal, 15 steps later.
* **When?** At the mark. Until then the head writes and moves on; then the read head is at the first row, and moves on in its turn. The last rows are the gates $g$ of both heads: near 0, a head goes on from where it was; where it rises, it looks for content.

This is a program: *write, next; at the mark go back; read, next*. Nobody wrote it. Because it is a program and no impression, it works on lengths that were not in training. The weights hold the program; **the memory is state**, and begins anew with every sequence.

The paper's own setting (8 bits, lengths 1 to 20, memory 128 × 20) takes minutes; `make demo` trains it. Recorded in `examples/results/copy`: 5 of 5 seeds below 0.05 bits a sequence after 2,500 sequences, and no wrong bit at length 40.

## Exercises

**1.** Move a sharp weighting on by a row twenty times, with $s = (0.05, 0.1, 0.85)$. How sharp is it without sharpening, and with $\gamma = 2$ after each step?
"""

# %% [markdown] lang="zh"
r"""
* **什么？** 写入的内容与输入是同一个花样，每个向量有自己的编码。后半段读到的，又是这个花样。
* **哪里？** 写头画出一条斜线：一步一行，每个向量住一行。读头画出同一条斜线，晚 15 步。
* **什么时候？** 看记号。记号之前，写头一边写一边往前走；记号一到，读头回到第一行，也开始一步步往前走。最下面两行是两个头的门 $g$：接近 0，就从原地接着走；升起来，就是在按内容找。

这是一段程序：*写，下一行；见到记号，回到开头；读，下一行*。没有人编写过它。正因为它是程序而不是印象，换成没训练过的长度也照样管用。权重里存的是程序；**记忆是状态**，每来一个新序列都从头开始。

论文原来的设置（8 个比特，长度 1 到 20，记忆 128 × 20）要训练几分钟，`make demo` 就是它。`examples/results/copy` 里记录着结果：5 个种子全部在 2,500 个序列之后降到每个序列 0.05 比特以下，长度 40 时没有一个比特出错。

## 练习

**1.** 取 $s = (0.05, 0.1, 0.85)$，把一个很尖的权重往前挪二十次。不磨尖，它还剩多尖？每一步之后用 $\gamma = 2$ 磨一次呢？
"""

# %% tags=["hide-cell"]
s = mg.tensor([0.05, 0.1, 0.85])
blurred = sharp = mg.one_hot(0, 48, "float32")
for _ in range(20):
    blurred, sharp = shift(blurred, s), sharpen(shift(sharp, s), 2.0)
print(f"greatest weight after 20 steps: {blurred.numpy().max():.2f}, sharpened {sharp.numpy().max():.2f}")
assert blurred.numpy().max() < 0.4 < 0.9 < sharp.numpy().max()

# %% [markdown] lang="en"
r"""
**2.** Start with equal rows in $M_0$ *and* uniform weightings. Why can such a machine never learn to use its memory? What does the library do about it?
"""

# %% [markdown] lang="zh"
r"""
**2.** 让 $M_0$ 的各行相同，*并且*权重一开始就是均匀的。为什么这样的机器永远学不会用记忆？库是怎么处理的？
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
**3.** Does the answer really come out of the memory? After the mark, overwrite a row that has not been read yet, and see whether the output follows.
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
answers = [model.run(ten[11:], s)[0].numpy()[:, 0] > 0 for s in (state, state._replace(M=mg.tensor(M)))]
changed = (answers[0] != answers[1]).sum(1)
print("changed bits in each of the ten answers:", changed)
eighth, third = answers[1][7].astype(int), ten[2, 0, :4].astype(int)
print("the eighth answer is now", eighth, "and the third vector was", third)
