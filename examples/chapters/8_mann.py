# %% [markdown] lang="en"
r"""
# 8. Learning from one example

Show a child one giraffe, and it knows giraffes. Show a network one, and it has hardly changed: its weights learn by many small steps, over thousands of pictures. With large steps,
the new picture would wipe out what was learned from the old ones. Think of two students. One grinds thousands of exercises, and then knows exactly those. The other is top of the class and need not grind. That student has learned *how to learn*: one example of a new kind is enough.

Santoro et al. (2016) made such a student from a network with an external memory. They called it a **memory-augmented neural network** (MANN). It learns at two speeds:

* **slowly**, by gradient descent over many episodes, *how* to use the memory: what to write down, and how to find it again. This is **meta-learning**;
* **at once**, by writing, *what* the classes of this episode look like. This is **one-shot learning**.

## An episode

An episode shows several drawings of a few characters (the *classes*), in random order. Each character has a label, a number that is chosen at random *for this episode*. At each step comes a drawing, and with it the label of the drawing *before*. The network must name the label of the drawing that it sees now.

The first time a character comes, one can only guess. The second time one can know. For that, one must have remembered the drawing, waited for its label, and put the two together. The labels change in every episode, so the weights cannot
learn them; they must be held in the state or the memory. The characters of the test are of alphabets that training does not use. (Here a program draws them; recorded results with drawings by people follow below.)
"""

# %% [markdown] lang="zh"
r"""
# 8. 看一个例子就学会

给孩子看一只长颈鹿，他就认得长颈鹿了。给网络看一只，它几乎没有变化：网络的权重靠许多小步来学，要看几千张图。步子迈大些，新学的又把旧的冲掉了。就好比两个学生：一个刷题，刷了几千道，会的就是那几千道；
另一个是**不用刷题的学霸**，他学会的是*怎样学*，新题型看一个例子就够了。

Santoro 等（2016）用带外部记忆的网络造出了这样的学霸：**记忆增强神经网络**（MANN）。它用两种速度学习：

* **慢的**：经过许多回合，靠梯度下降学会*怎样*用记忆：该记什么，又怎样找回来。这是**元学习**；
* **快的**：写一笔，就记住这一回合的各个类别是*什么样子*。这是**一次学习**。

## 一个回合

一个回合给出几个字符（也就是*类别*），每个字符画好几遍，顺序随机；每个字符有一个标签，是*这一回合*随机定的一个号码。每一步来一张图，同时给出*上一张*图的标签，网络要说出眼前这张图的标签。

一个字符头一次出现时只能猜；第二次出现时就可以知道了，前提是上次把图记了下来，等到标签，再把两者放到一起。标签每个回合都重新定，网络的权重学不到它，只能靠状态或记忆。考试用的字符来自训练中没有用过的字母表。（这里的字符是程序画的；人手画的，见下文事先记录的结果。）
"""

# %% en="One episode: three characters, each drawn five times, in random order." zh="一个回合：三个字符，每个画五遍，顺序随机。"
import numpy as np
from matplotlib.figure import Figure
from minigrad.models import mann as mann_file
from minigrad.models.tasks.glyphs import first_guess

import minigrad as mg
from minigrad import viz
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

WAYS, SHOTS, SIZE, STEPS = 3, 5, 10, 2500


def experiment(name, **more):
    return Experiment(Config.of(
        "glyphs", name, ways=WAYS, shots=SHOTS, size=SIZE, image=0, warp=0, hidden=100,
        batch=32, lr=5e-3, clip_norm=10, warmup=100,
        schedule="cosine", steps=STEPS, easy=3 * STEPS // 5, **more,
    ))  # fmt: skip


mann = experiment("mann", heads=1, memory="16x24", strength="yes")
inputs, targets, _ = mann.batch(mann.keys.pictures, 0, 1, split="test")
figure = Figure(figsize=(8, 1.2), layout="constrained")
for axis, image, label in zip(
    figure.subplots(1, WAYS * SHOTS),
    inputs[:, 0, : SIZE * SIZE],
    targets[:, 0].argmax(-1),
    strict=True,
):
    axis.imshow(image.reshape(SIZE, SIZE), cmap="gray_r")
    axis.set_title(int(label), fontsize=9)
    axis.axis("off")
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
## Write to the row that is needed least

The NTM of the [last chapter](7_ntm.ipynb) can go along its memory, row by row. Here the order of the drawings means nothing, so that is of no use. MANN has only two ways to choose a row to write to:

* the row that was **least used** lately, by writing or reading: its content is the least likely to be needed;
* or the row that was **just read**: then the new content is added to what is known of the same class.

The *usage* $w^u$ of a row decays slowly, and grows with each read and write (eqs. 5 to 8 of the paper; $\gamma$ is the decay, here 0.99, and $\alpha$ a number from the controller):

$$w^u_t = \gamma\, w^u_{t-1} + w^r_t + w^w_t \qquad w^{lu}_t = \text{the least used row}$$

$$w^w_t = \sigma(\alpha)\, w^r_{t-1} + (1 - \sigma(\alpha))\, w^{lu}_{t-1}$$

$$M_t(i) = M_{t-1}(i) + w^w_t(i)\, k_t$$

Before the last line, the least used row is set to 0. All this is called **least recently used access** (LRUA). The key $k_t$ is both what is written and what is looked up. Reading is by content alone: $w^r_t(i) = \operatorname{softmax}_i(K[k_t, M_t(i)])$, with the cosine $K$ of the last chapter. The models below multiply $K$ by a strength $\beta$, which the paper does not have; exercise 2 shows why.
"""

# %% [markdown] lang="zh"
r"""
## 写到最用不着的地方

[上一章](7_ntm.ipynb)的 NTM 可以沿着记忆一行行往下走。这里图的先后没有意义，一行行走没有用。MANN 选哪一行来写，办法只有两个：

* 写到近来**用得最少**的那一行：很少写，也很少读，里面的东西最不可能再用到；
* 或者写到**刚刚读过**的那一行：把新的加到同一类的旧知识上。

一行的*用量* $w^u$ 慢慢衰减，每读一次、写一次又增加（论文式 5 到 8；$\gamma$ 是衰减率，这里取 0.99，$\alpha$ 由控制器给出）：

$$w^u_t = \gamma\, w^u_{t-1} + w^r_t + w^w_t \qquad w^{lu}_t = \text{用得最少的一行}$$

$$w^w_t = \sigma(\alpha)\, w^r_{t-1} + (1 - \sigma(\alpha))\, w^{lu}_{t-1}$$

$$M_t(i) = M_{t-1}(i) + w^w_t(i)\, k_t$$

在最后一步之前，先把用得最少的那一行清零。这一套叫做**最近最少使用访问**（LRUA）。键 $k_t$ 既是写入的内容，也用来查找。读的时候只按内容：$w^r_t(i) = \operatorname{softmax}_i(K[k_t, M_t(i)])$，$K$ 就是上一章的余弦。下面的模型还把 $K$ 乘上一个强度 $\beta$，这是论文里没有的，为什么要乘，见练习 2。
"""

# %%
usage = mg.tensor(np.array([[0.9, 0.1, 0.4, 0.1]], "float32"))
w_least = mann_file.least_used(usage, 1)[:, 0]
w_read = mg.tensor(np.array([[0, 0, 1, 0]], "float32"))
for alpha in (-4.0, 4.0):
    gate = mg.sigmoid(alpha)
    w_write = gate * w_read + (1 - gate) * w_least
    print(f"σ(α) = {float(gate):.2f}: writes to", w_write.numpy()[0].round(2))

# %% [markdown] lang="en"
r"""
Rows 1 and 3 are used equally little. Then the lower index is taken; with a fixed rule the same run gives the same numbers. The *choice* of the least used row has no gradient. The gradient goes through $\alpha$, the keys, and what is read.

## It learns to learn

A MANN and an LSTM are trained on the same episodes, with 2,500 updates each. Beside them is a baseline that needs no training, the *nearest neighbour*: compare the pixels with every earlier drawing of the episode, and take the label of the nearest.
"""

# %% [markdown] lang="zh"
r"""
第 1 行和第 3 行用得一样少，就取序号小的：规矩定死，同样的程序再跑一遍才得到同样的数。“选哪一行”这一步没有梯度；梯度走的是 $\alpha$、键和读到的内容。

## 学会学习

给 MANN 和 LSTM 看同样的回合，各更新 2,500 次。旁边放一个不用训练的对照，*最近邻*：拿像素和这一回合里见过的每张图去比，取最像的那张的标签。
"""


# %%
def trained(e):
    model, optimizer = e.model(), e.optimizer()
    state, update = optimizer.init(model), mg.jit(make_step(e.loss, optimizer))
    for n in range(STEPS):
        model, state, _ = update(model, state, *e.data(e.keys.data, n))
    return model


PRESENTATIONS = 1, 2, 5
lstm = experiment("lstm")
models = {"MANN": (mann, trained(mann)), "LSTM": (lstm, trained(lstm))}
found = {name: e.measure(model, 400, split="test").means for name, (e, model) in models.items()}
found["nearest neighbour"] = mann.nearest(400, split="test").means
print("right on characters never seen, at the 1st, 2nd and 5th drawing of a class:")
for name, seen in found.items():
    print(f"  {name:18}" + ", ".join(f"{seen[f'accuracy@{k}']:4.0%}" for k in PRESENTATIONS))

# %% en="Accuracy by presentation. The ideal guesser knows which labels are taken, and nothing else, at the first drawing." zh="第几次出现与正确率。理想的猜测者在第一次出现时，只知道哪些标签已经用掉了。"
figure = Figure(figsize=(7, 3), layout="constrained")
axis = figure.subplots()
for name, seen in found.items():
    axis.plot(PRESENTATIONS, [100 * seen[f"accuracy@{k}"] for k in PRESENTATIONS], "o-", label=name)
axis.plot(PRESENTATIONS, [100 * first_guess(WAYS), 100, 100], "k--", lw=1, label="ideal guesser")
axis.axhline(100 / WAYS, color="k", ls=":", lw=1, label="chance")
axis.set(
    xlabel="presentation of a class in the episode",
    ylabel="right (%)",
    xticks=PRESENTATIONS,
    ylim=(0, 103),
)
figure.legend(loc="outside right center")
viz.Plot(figure)

# %% [markdown] lang="en"
r"""
Look at the step from the first to the second presentation. *One* example is enough to be right far more often than by guessing, and no weight has changed in between. The LSTM does it as well: with three classes, its state has room enough. The nearest neighbour is below chance at first, because it can only name a label that is already taken; at the fifth drawing it is as good as the networks after this short training.

Recorded, not computed by this page (`examples/results/one-shot`): characters drawn by people, five classes, ten drawings of each. Trained on 185 characters of six alphabets, tested on 57 characters of two others; each model has an image encoder in front, and was trained for 24 to 35 minutes. The first four rows are the numbers of the paper, which had other and more characters; the last two rows are ours:
"""

# %% [markdown] lang="zh"
r"""
要看的是从第一次到第二次的那一步：只用*一个*例子，就比瞎猜强得多，而这中间网络的权重一个也没有变。LSTM 也做得到：只有三个类别，它的状态装得下。最近邻在第一次出现时比瞎猜还差，因为它只会说已经用掉的标签；到第五次，它和只练了这么一会儿的两个网络一样好。

下面是事先记录的结果，不是这一页现算的（`examples/results/one-shot`）：人手画的字符，五个类别，各十张图。训练用六种字母表的 185 个字符，考试用另外两种字母表的 57 个；模型前面都加了图像编码器，训练了 24 到 35 分钟。前四行是论文里的数字，论文用的字符不同，也更多；后两行是我们的：
"""

# %%
from pathlib import Path

wanted = (
    "per cent",
    "human",
    "feedforward, p",
    "lstm, p",
    "mann, p",
    "lstm, as",
    "mann-seed-0, as",
)
lines = Path("examples/results/one-shot/table.txt").read_text(encoding="utf-8").splitlines()
print("\n".join(dict.fromkeys(line for line in lines if line.startswith(wanted))))

# %% [markdown] lang="en"
r"""
Read it with care. Both are far better than the nearest neighbour (56, 79 and 86 % at the 2nd, 5th and 10th). But with the same encoder the LSTM is as good as the MANN. The paper's LSTM is far behind; it had no such encoder, and a third of the episodes. Five classes may be too few to need an external memory; more were not tried here.

And here is the memory at work over one episode of this page's MANN: where it writes, where it reads, and how much each row has been used. Each drawing goes to a new row, since with 16 rows for 15 drawings the least used one is always empty. Reading finds several rows at once, each with a part of the weight.
"""

# %% [markdown] lang="zh"
r"""
读这张表要小心。两个模型都远远胜过最近邻（第 2、5、10 次：56、79、86 %）。可是用了同样的编码器，LSTM 与 MANN 不相上下，论文里的 LSTM 却差得远：它没有这样的编码器，看过的回合也只有三分之一。五个类别也许太少，还用不着外部记忆；更多的类别，这里没有试过。

再看这一页的 MANN 在一个回合里怎样用记忆：写在哪里，从哪里读，每一行用了多少。每张图都写进新的一行，因为 15 张图有 16 行可用，用得最少的总是一个空行。读的时候，几行各分到一部分权重。
"""

# %% en="One episode of the trained MANN: the class of each drawing, where it writes and reads, and how much each row has been used." zh="训练好的 MANN 走过一个回合：每张图的类别，写在哪里，从哪里读，每一行用了多少。"
sequence, labels, _ = mann.batch(mann.keys.pictures, 0, 1, split="test")
trace = viz.record(
    lambda m, xs: mg.sum(m(xs)),
    models["MANN"][1],
    sequence,
    names=["w_write", "w_read", "usage"],
)
viz.memory({"class": labels[:, 0].argmax(-1), **trace})

# %% [markdown] lang="en"
r"""
## Exercises

**1.** There are 5 classes. How often can one at best be right at the *first* drawing of a class? (Labels that are taken already can be excluded.) Work it out, and compare with the library.
"""

# %% [markdown] lang="zh"
r"""
## 练习

**1.** 共 5 个类别，一个类别的图*第一次*出现时，最多能猜对百分之几？（已经用掉的标签可以排除。）算出来，与库里的比一比。
"""

# %% tags=["hide-cell"]
# At the j-th new class (j = 0 … 4) there are 5 − j labels left.
# An ideal guesser also sees that the class is new.
ideal = np.mean([1 / (5 - j) for j in range(5)])
print(f"{ideal:.1%}, the library says {first_guess(5):.1%}")
assert abs(ideal - first_guess(5)) < 1e-6

# %% [markdown] lang="en"
r"""
**2.** The key is equal to one of 128 orthogonal rows. How much of the weight does this row get without a strength $\beta$? And with $\beta = 9$?
"""

# %% [markdown] lang="zh"
r"""
**2.** 记忆有 128 行，两两正交，键与其中一行完全相同。没有强度 $\beta$ 时，这一行得到多少权重？$\beta = 9$ 呢？
"""

# %% tags=["hide-cell"]
for beta in (1, 9):
    weight = mg.softmax(beta * mg.one_hot(0, 128, "float32")).numpy()[0]
    print(f"β = {beta}: {weight:.1%}")
assert abs(mg.softmax(mg.one_hot(0, 128, "float32")).numpy()[0] - np.e / (np.e + 127)) < 1e-6

# %% [markdown] lang="en"
r"""
**3.** How much of what the model knows about the labels is in its memory? Empty the memory in the middle of an episode, and look at the answers after that.
"""

# %% [markdown] lang="zh"
r"""
**3.** 模型所知道的标签，有多少记在记忆里？在回合中间把记忆清空，看后面的答案。
"""

# %% tags=["hide-cell"]
model = models["MANN"][1]
xs, ys, _ = mann.batch(mann.keys.evaluation, 10**6, 300, split="test")
half = len(xs) // 2
_, state = model.run(xs[:half])
fresh = model.initial_state(300)
states = {
    "all kept": state,
    "memory emptied": fresh._replace(controller=state.controller),
    "controller's state emptied, too": fresh,
}
for name, given in states.items():
    answers = model.run(xs[half:], given)[0].numpy().argmax(-1)
    print(f"{name:32}: {np.mean(answers == ys[half:].argmax(-1)):.0%} right in the second half")
# The controller is an LSTM and holds a part itself.
# Without both the model can still learn from what the second half shows.
