# %% [markdown] lang="en"
r"""
# 8. Learning from one example

Show a child one giraffe, and it knows giraffes. Show a network one, and it has hardly moved: its weights learn by many small steps, over thousands of pictures. And if the steps are made large,
the new picture wipes out the old ones. It is like two students. One grinds exercises, thousands of them, and then knows exactly those. The other, who is top of the class, has learned *how to learn*: one example of a new kind is enough.

Santoro et al. (2016) made such a student of a network with an external memory, the **memory-augmented neural network** (MANN). It learns at two speeds:

* **slowly**, by gradient descent over many episodes, *how* to use the memory: what to write down, and how to find it again. This is **meta-learning**;
* **at once**, by writing, *what* the classes of this episode look like. This is **one-shot learning**.

## An episode

An episode shows drawings of a few characters that were never seen before, and each character has a label, drawn by lot *for this episode*. At each step comes a drawing, and with it the label of the drawing *before*. So the
first time a character comes, one can only guess. The second time one can know, if one has written down the drawing, waited for its label, and put the two together. Since the labels are mixed anew in every episode, the weights cannot
learn them. The memory must.
"""

# %% [markdown] lang="zh"
r"""
# 8. 看一个例子就学会

给孩子看一只长颈鹿，他就认得长颈鹿了。给网络看一只，它几乎没有变化：权重靠许多小步来学，要看几千张图。步子迈大些，新的又把旧的冲掉。就好比两个学生：一个刷题，刷了几千道，会的就是那几千道；
另一个是**不用刷题的学霸**，他学会的是*怎样学*，新题型看一个例子就够了。

Santoro 等（2016）用带外部记忆的网络造出了这样的学霸：**记忆增强神经网络**（MANN）。它用两种速度学习：

* **慢的**：经过许多回合，靠梯度下降学会*怎样*用记忆，该记什么，又怎样找回来。这是**元学习**；
* **快的**：写一笔，就记住这一回合的各个类别是*什么样子*。这是**一次学习**。

## 一个回合

一个回合给出几个从没见过的字符，每个字符画好几遍；每个字符有一个标签，是*这一回合*抽签定的。每一步来一张图，同时给出*上一张*图的标签。所以一个字符头一次出现时只能猜；
第二次出现时就可以知道了，前提是当时把图记下来，等到标签，再把两者放到一起。标签每个回合都重新打乱，权重学不到它，只能靠记忆。
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
        "glyphs", name, ways=WAYS, shots=SHOTS, size=SIZE, image=0, warp=0, hidden=100, batch=32, lr=5e-3, clip_norm=10, warmup=100,
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
## Write where it is least missed

The NTM of the [last chapter](7_ntm.ipynb) may walk along its memory, row by row. Here the order of the drawings means nothing, and walking is no use. MANN has only two ways to choose a row, and both are about content and use:

* write to the row that was **least used**: neither written nor read for long. Its content is least likely to be missed;
* or to the row that was **just read**: then the new is added to what is known of the same class.

How much a row has been used fades slowly and grows with each read and write (eqs. 5 to 8 of the paper):

$$w^u_t = \gamma\, w^u_{t-1} + w^r_t + w^w_t \qquad w^{lu}_t = \text{the least used row}$$

$$w^w_t = \sigma(\alpha)\, w^r_{t-1} + (1 - \sigma(\alpha))\, w^{lu}_{t-1}$$

$$M_t(i) = M_{t-1}(i) + w^w_t(i)\, k_t$$

This is called **least recently used access** (LRUA). Reading is by content alone: $w^r = \operatorname{softmax}(K[k, M(i)])$.
"""

# %% [markdown] lang="zh"
r"""
## 写到最不碍事的地方

[上一章](7_ntm.ipynb)的 NTM 可以沿着记忆一行行走。这里图的先后没有意义，走路没有用。MANN 选行的办法只有两个，都只看内容和用处：

* 写到**最久没用**的那一行：很久没写过，也没读过，里面的东西最不可能有人惦记；
* 或者写到**刚刚读过**的那一行：把新的加到同一类的旧知识上。

一行用了多少，会慢慢淡去，每读一次、写一次又增加（论文式 5 到 8）：

$$w^u_t = \gamma\, w^u_{t-1} + w^r_t + w^w_t \qquad w^{lu}_t = \text{最久没用的一行}$$

$$w^w_t = \sigma(\alpha)\, w^r_{t-1} + (1 - \sigma(\alpha))\, w^{lu}_{t-1}$$

$$M_t(i) = M_{t-1}(i) + w^w_t(i)\, k_t$$

这叫做**最近最少使用访问**（LRUA）。读的时候只按内容：$w^r = \operatorname{softmax}(K[k, M(i)])$。
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
Of rows 1 and 3, used equally little, the lower index is taken: a rule, so that the same run gives the same numbers. No gradient goes through the *choice* of the least used row (there is none); it goes through $\alpha$, the keys, and what is read.

## It learns to learn

The same episodes for a MANN and an LSTM, as many updates as run in about a minute. Beside them a baseline that needs no training: compare the pixels with every drawing so far in the episode, and take the label of the nearest.
"""

# %% [markdown] lang="zh"
r"""
第 1 行和第 3 行用得一样少，取序号小的：定一条规矩，同样的运行才有同样的数。"选中最久没用的一行"这件事本身没有梯度；梯度走的是 $\alpha$、键和读到的内容。

## 学会学习

给 MANN 和 LSTM 看同样的回合，更新次数以一分钟左右能跑完为限。旁边放一个不用训练的对照：拿像素和这一回合里见过的每张图去比，取最像的那张的标签。
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

# %% en="Accuracy by presentation. The ideal guesser knows which labels are taken, and nothing else, at the first drawing." zh="按第几次出现看正确率。理想的猜测者在第一次出现时只知道哪些标签已经有主。"
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
The step from the first to the second presentation is the one that counts: *one* example was enough to do better than guessing. No weight has changed in between.

Recorded, on 185 characters drawn by people that no training saw (`examples/results/one-shot`; five classes, ten drawings, an encoder of images in front, half an hour of training and more; not made by this page). The table of the paper stands above it:
"""

# %% [markdown] lang="zh"
r"""
要看的是从第一次到第二次的那一步：只用*一个*例子，就比猜的好。这中间，权重一个也没有变。

下面是事先记录的结果：人手画的字符，185 个训练中没有见过（`examples/results/one-shot`，五个类别，各十张图，前面加了图像编码器，训练半小时以上，不是这一页现算的）。上面几行是论文里的数字：
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
Read it with care. The nearest neighbour (56, 79 and 86 % at the 2nd, 5th and 10th) is left behind. But behind the same encoder the LSTM is as good as the MANN: for five classes its state has room enough. What the memory buys shows when there are many things to hold at once.

And here is the memory at work: where it writes, where it reads, and how much each row has been used, over one episode.
"""

# %% [markdown] lang="zh"
r"""
读这张表要小心。最近邻（第 2、5、10 次：56、79、86 %）被甩在后面。可是在同样的编码器后面，LSTM 与 MANN 不相上下：只有五个类别，它的状态装得下。外部记忆的好处，要在同时记很多东西的时候才看得出来。

再看记忆怎样工作：一个回合里写在哪里，从哪里读，每一行用了多少。
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

**1.** How good can one be at the *first* drawing of a class, among 5? (The labels that are taken already can be excluded.) Work it out, and compare with the library.
"""

# %% [markdown] lang="zh"
r"""
## 练习

**1.** 共 5 个类别，一个类别的图*第一次*出现时，最好能猜对多少？（已经有主的标签可以排除。）算出来，与库比较。
"""

# %% tags=["hide-cell"]
# The j-th new class (j = 0 … 4) leaves 5 − j labels. But is the drawing of a new class at all? An ideal guesser sees that.
ideal = np.mean([1 / (5 - j) for j in range(5)])
print(f"{ideal:.1%}, the library says {first_guess(5):.1%}")
assert abs(ideal - first_guess(5)) < 1e-6

# %% [markdown] lang="en"
r"""
**2.** Without a strength $\beta$, how much of the weight can a perfect match get among 128 orthogonal rows? And with $\beta = 9$?
"""

# %% [markdown] lang="zh"
r"""
**2.** 没有强度 $\beta$ 时，128 个两两正交的行里，完全吻合的一行能得到多少权重？$\beta = 9$ 呢？
"""

# %% tags=["hide-cell"]
for beta in (1, 9):
    weight = mg.softmax(beta * mg.one_hot(0, 128, "float32")).numpy()[0]
    print(f"β = {beta}: {weight:.1%}")
assert abs(mg.softmax(mg.one_hot(0, 128, "float32")).numpy()[0] - np.e / (np.e + 127)) < 1e-6

# %% [markdown] lang="en"
r"""
**3.** Show that it is the memory that knows the labels: empty it in the middle of an episode, and look at the answers after it.
"""

# %% [markdown] lang="zh"
r"""
**3.** 验证知道标签的是记忆：在回合中间把它清空，看后面的答案。
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
# The controller is an LSTM and remembers a part itself; what is still right without both was shown again.
