# %% [markdown] lang="en"
r"""
# 6. Attention: look it up

"*Peter opened the letter. The train passed the bridge. … Then he closed the door. Who is he?*" An RNN or an LSTM reads the text once. It must keep Peter in
its state until the question comes. A human reader would simply look back. **Attention** does just that: it keeps the state after *every* word. When there is a question, it compares
the question with all of them.

## A soft look-up

A dictionary in Python takes a key and gives the value of the one entry whose key is equal. A soft dictionary compares the key with the keys of *all* entries, and gives a weighted mean of their values. The better a key fits, the greater its weight.
Here the question is a vector $q$, and the state $h_j$ after word $j$ is key and value at once:

$$e_j = \operatorname{score}(q, h_j) \qquad \alpha = \operatorname{softmax}(e) \qquad \text{context} = \sum_j \alpha_j h_j$$

The *score* $e_j$ says how well they fit. The softmax, $\alpha_j = e^{e_j} / \sum_i e^{e_i}$, makes positive weights of the scores, which sum to 1. Every step has a derivative, so all of it can be learned.

Bahdanau, Cho and Bengio (2015) let a small network give the score: $v^\top \tanh(W q + U h_j)$, where $v$, $W$ and $U$ are learned. Luong, Pham and Manning (2015) found that a product is enough: $q^\top W h_j$, or just $q \cdot h_j$. The next chapter's machine reads its memory in the same way; but there, rows are also overwritten.
"""

# %% [markdown] lang="zh"
r"""
# 6. 注意力机制：查一查

“*Peter opened the letter. The train passed the bridge. … Then he closed the door. Who is he?*”（彼得拆开了信。火车过了桥。……后来他关上了门。“他”是谁？）RNN 和 LSTM 只读一遍，非得在状态里一直留着 Peter，直到有人问起。可是换了人来读，
回头看一眼就行了。**注意力机制**做的正是这件事：读过*每个*词之后的状态都留着，问题来了，就拿它和所有状态比一比。

## 软的查找

给 Python 的字典一个键，它找出键恰好相等的那一项，交出那一项的值。软的字典把这个键和*所有*各项的键都比一比，交出各项的值的加权平均：键越相近，权重越大。
这里的问题是一个向量 $q$；读完第 $j$ 个词时的状态 $h_j$ 既当键，又当值：

$$e_j = \operatorname{score}(q, h_j) \qquad \alpha = \operatorname{softmax}(e) \qquad \text{context} = \sum_j \alpha_j h_j$$

*得分* $e_j$ 说明两者有多相近。softmax，即 $\alpha_j = e^{e_j} / \sum_i e^{e_i}$，把得分变成一组正的权重，总和为 1。每一步都可以求导，所以整个过程都可以学。

Bahdanau、Cho 与 Bengio（2015）用一个小网络来打分：$v^\top \tanh(W q + U h_j)$，其中 $v$、$W$、$U$ 都是学出来的。Luong、Pham 与 Manning（2015）发现乘一下就够了：$q^\top W h_j$，甚至直接 $q \cdot h_j$。下一章的机器也这样读它的记忆，只不过那里的内容还会被改写。
"""

# %%
import numpy as np
from minigrad.models import MultiHead, causal, scaled_dot_product

import minigrad as mg
from minigrad import viz

rng = np.random.default_rng(0)


def attend(q, h):
    """One question q (d,), all states h (n, d)."""
    weights = mg.softmax(h @ q)
    return weights @ h, weights


h = mg.tensor(4 * np.eye(5, dtype="float32"))  # five states that have nothing in common
context, weights = attend(h[2], h)
print("asked with the third state: weights", weights.numpy().round(3))

# %% [markdown] lang="en"
r"""
The distance between the question and what it finds does not appear in these formulas. It does not appear in the gradient either. From the answer back to the state $h_j$ is *one* step, through one weight $\alpha_j$,
and not $T$ steps through $T$ matrices. This is the whole secret.

## Who is he?

The texts of this task name a person in the first sentence. Then come sentences about trains, dogs, or people of the other sex. The last words ask for the person. Two models are compared: an LSTM, and the same LSTM with attention to its own states on top
(`attention`: the question $q$ is the state now, the score is $q^\top W h_j$). Both are trained with up to 4 sentences in between, 700 updates each, and then asked with more.
"""

# %% [markdown] lang="zh"
r"""
问题与它要找的东西相隔多远，公式里没有出现，梯度里也没有出现：从答案回到状态 $h_j$，只有*一*步，只经过一个权重 $\alpha_j$，而不是走 $T$ 步、乘 $T$ 个矩阵。全部的秘密就在这里。

## “他”是谁？

这个任务的文本在第一句里提到一个人，接着是别的句子，讲火车、讲狗、讲另一种性别的人，最后几个词问这个人是谁。比较两个模型：一个是 LSTM，另一个是同样的 LSTM，上面加一层注意力，看自己的各个状态（`attention`：问题 $q$ 就是当前的状态，得分是 $q^\top W h_j$）。训练时中间最多隔 4 句，各更新 700 次，然后拿隔得更远的来考。
"""

# %%
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

DISTANCES = 0, 2, 4, 8, 12


def trained(name, steps=700):
    config = Config.of(
        "coreference", name, distance="0-4", hidden=48, lr=5e-3, schedule="cosine", steps=steps
    )
    experiment = Experiment(config)
    model, optimizer = experiment.model(), experiment.optimizer()
    state, update = optimizer.init(model), mg.jit(make_step(experiment.loss, optimizer))
    for n in range(steps):
        model, state, _ = update(model, state, *experiment.data(experiment.keys.data, n))
    return experiment, model


for name in ("lstm", "attention"):
    experiment, model = trained(name)
    right = [experiment.measure(model, 200, distance=d).means["accuracy"] for d in DISTANCES]
    print(
        f"{name:10}"
        + ", ".join(f"{d} between: {a:4.0%}" for d, a in zip(DISTANCES, right, strict=True))
    )
print("guessing among the names that agree with the pronoun: 12.5 %")

# %% [markdown] lang="en"
r"""
The LSTM takes some names for others, and more of them at the greatest distance. For attention the distance makes no difference.

Where does it look? Take one text, and draw the weights of each word for the words up to it. The rows at the bottom are the question. Whatever came in between, they look back to the beginning of the text: not at the name itself, which is word 0, but at the states some words after it. The LSTM has read the name by then, and its state still holds it.
"""

# %% [markdown] lang="zh"
r"""
LSTM 会把一些名字记混，隔得最远时错得更多。对注意力来说，远近没有分别。

它在看哪里？取一段文本，画出每个词对此前各词的权重。最下面几行就是问题。不管中间说了什么，它们看的都是文本的开头：不是名字本身（第 0 个词），而是名字之后若干个词处的状态。那时 LSTM 已经读过名字，状态里还记着它。
"""

# %% en="Attention of each word (rows) to the words up to it (columns)." zh="每个词（行）对此前各词（列）的注意力。"
xs = experiment.batch(experiment.keys.pictures, 0, 1, distance=4)[0]
hs = model.lstm(xs)
weights = model.attention(hs, hs, causal(len(xs)))[1][0]
words = experiment.task.read(xs)[0]
print(words)
answer = weights.numpy()[-1]
print(
    "at the last word it looks at words",
    np.argsort(-answer)[:3],
    "with weights",
    np.sort(answer)[::-1][:3].round(2),
)
viz.attention_map(weights, "who is he?", "word t", "word it looks at")

# %% [markdown] lang="en"
r"""
Recorded, not computed by this page (`examples/results/coreference`; ten fresh seeds each, trained with up to 10 sentences in between, asked with 30): attention is right in 100 % of the texts (median), and the machines of the next two chapters, NTM and MANN, in 89.7 % and 99.4 %.

## Scaled dot-product

Vaswani et al. (2017) removed the recurrent network and kept the attention. Each word makes three vectors, by three learned matrices: a *query* (what am I looking for?), a *key* (what do I have?) and a *value* (what do I give?). The rows of $Q$, $K$ and $V$ are those of all words:

$$\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\Big(\frac{Q K^\top}{\sqrt{d}}\Big)\, V$$

Why $\sqrt d$? The inner product of two random vectors of $d$ numbers (mean 0, variance 1) has the standard deviation $\sqrt d$. Without the division, when $d$ is large, one score is far above the others. The softmax then gives nearly all the weight to one entry, and hardly any gradient to the rest:
"""

# %% [markdown] lang="zh"
r"""
事先记录的结果，不是这一页现算的（`examples/results/coreference`，各十个新种子，训练时最多隔 10 句，考的时候隔 30 句）：注意力答对 100 %（中位数）；后两章的机器，NTM 答对 89.7 %，MANN 答对 99.4 %。

## 缩放点积注意力

Vaswani 等（2017）扔掉循环神经网络，只留下注意力。每个词用三个学出来的矩阵做出三个向量：*查询*（我在找什么）、*键*（我有什么）、*值*（我给什么）。所有词的这三种向量，一行一个，就是 $Q$、$K$、$V$：

$$\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\Big(\frac{Q K^\top}{\sqrt{d}}\Big)\, V$$

为什么除以 $\sqrt d$？两个各有 $d$ 个数（均值 0、方差 1）的随机向量，内积的标准差是 $\sqrt d$。不除的话，$d$ 一大，就有一个得分远远高过别的，softmax 把权重几乎全给了它，其余的几乎分不到梯度：
"""

# %%
for d in (4, 64, 1024):
    q, keys = rng.standard_normal(d), rng.standard_normal((20, d))
    plain, scaled = (
        mg.softmax(mg.tensor(keys @ q)).numpy(),
        mg.softmax(mg.tensor(keys @ q / np.sqrt(d))).numpy(),
    )
    print(
        f"d = {d:4}: greatest of 20 weights {plain.max():.3f} without,"
        f" {scaled.max():.3f} with the division"
    )

# %% [markdown] lang="en"
r"""
**Many heads.** One softmax gives one set of weights, so it can look for one thing at a time. Therefore the vectors are cut into several parts. Each part, a *head*, attends by itself; the results are put side by side again, and a last matrix mixes them. The
*causal* mask hides from each word what comes after it: those scores become $-\infty$, and their weights 0. Here is all of it, compared with the library's.

One thing is lost with the recurrent network: nothing in these formulas knows the *order* of the words (exercise 1). So a code of its position is added to each word first.
"""

# %% [markdown] lang="zh"
r"""
**多个头。** 一个 softmax 只给出一组权重，一次只能找一样东西。于是把向量切成几段，每一段是一个*头*，各看各的；再把结果拼回去，最后用一个矩阵混合。*因果*掩码让每个词看不到后面的词：把那些得分换成 $-\infty$，权重就是 0。全部代码如下，与库里的比一比。

扔掉循环神经网络，也丢了一样东西：这些公式都不知道词的*顺序*（见练习 1）。所以先要给每个词加上表示位置的编码。
"""


# %%
def multi_head(layer, x, mask):
    T, width = x.shape
    q, k, v = (
        mg.swapaxes(mg.reshape(part, (T, layer.heads, -1)), 0, 1)
        for part in mg.split(x @ layer.W + layer.b, 3)
    )
    scores = q @ mg.swapaxes(k, -1, -2) / np.sqrt(width / layer.heads)
    weights = mg.softmax(mg.where(mask, scores, -np.inf))
    return layer.out(mg.reshape(mg.swapaxes(weights @ v, 0, 1), (T, width)))


layer = MultiHead(width=8, heads=2, key=0)
x = mg.tensor(rng.standard_normal((6, 8), dtype="float32"))
difference = np.abs(
    multi_head(layer, x, causal(6)).numpy() - layer(x[:, None], mask=causal(6))[:, 0].numpy()
).max()
print("these lines and minigrad.models.MultiHead differ by", difference)
assert difference < 1e-5

# %% [markdown] lang="en"
r"""
## The price

Every word looks at every word: $n$ words, $n^2$ weights. (The causal mask leaves half of them.) A text twice as long needs four times as many. And all states must be kept, since nobody knows what will be asked. An RNN pays the same for every word, and keeps one state.
"""

# %% [markdown] lang="zh"
r"""
## 代价

每个词都要看每个词：$n$ 个词，$n^2$ 个权重（用因果掩码，剩下一半）。文本长一倍，权重就是四倍；而且所有状态都得留着，因为谁也不知道会问什么。RNN 每个词的代价都一样，只留一个状态。
"""

# %%
for n in (64, 1024, 16384):
    print(
        f"{n:6,} words: {n * n:13,} weights of attention;"
        f" an RNN of 64 units holds {64} numbers, attention {64 * n:,}"
    )

# %% [markdown] lang="en"
r"""
So there are two ways to remember: keep everything and look it up, at a price that grows; or keep a summary of fixed size, and lose some. The [next chapter](7_ntm.ipynb) looks for a third: a memory of fixed size, where the network chooses *with care* what to write and where.

## Exercises

**1.** Attention without a code of the positions, and without a mask, does not know the order of the words. Show it: exchange two of them.
"""

# %% [markdown] lang="zh"
r"""
所以有两种记法：全都留着，要用再查，代价越来越大；或者只留一份大小固定的摘要，难免丢掉一些。[下一章](7_ntm.ipynb)寻找第三种：大小固定，但写什么、写在哪里，都*仔细挑选*的记忆。

## 练习

**1.** 没有位置编码、也没有掩码的注意力不知道词的顺序。交换两个词，验证这一点。
"""

# %% tags=["hide-cell"]
every = np.ones((6, 6), bool)
order = [1, 0, 2, 3, 4, 5]
before, after = (
    multi_head(layer, x, every).numpy(),
    multi_head(layer, x[mg.tensor(order)], every).numpy(),
)
np.testing.assert_allclose(
    after, before[order], atol=1e-5
)  # the results are exchanged as well, and that is all
print("the same results, in the other order")

# %% [markdown] lang="en"
r"""
**2.** Show that with the causal mask the output at word 2 does not depend on words 3, 4 and 5 (counted from 0): its gradient there is exactly 0.
"""

# %% [markdown] lang="zh"
r"""
**2.** 从 0 数起，验证用了因果掩码之后，第 2 个词的输出与第 3、4、5 个词无关：那里的梯度恰好是 0。
"""

# %% tags=["hide-cell"]
gradient = mg.grad(lambda x: mg.sum(multi_head(layer, x, causal(6))[2]))(x).numpy()
print("norms of the gradient by word:", np.linalg.norm(gradient, axis=1).round(3))
assert (gradient[3:] == 0).all()
assert (np.linalg.norm(gradient[:3], axis=1) > 0).all()

# %% [markdown] lang="en"
r"""
**3.** Make an almost exact dictionary of attention: orthogonal keys of length 1, and scores multiplied by a number $s$. There are 100 entries. How large must $s$ be, so that the right entry gets 99 % of the weight?
"""

# %% [markdown] lang="zh"
r"""
**3.** 用注意力做一本几乎精确的字典：键两两正交，长度为 1，得分再乘一个数 $s$。一共 100 项，要让对的那一项得到 99 % 的权重，$s$ 得多大？
"""

# %% tags=["hide-cell"]
scale = np.log(99 * 99)  # e^s / (e^s + 99) = 0.99
keys = np.eye(100, dtype="float32")
_, weights = scaled_dot_product(
    mg.tensor(keys[:1] * scale * 10), mg.tensor(keys), mg.tensor(keys)
)  # it divides by √100 itself
print(f"scale {scale:.2f}: the right entry gets {weights.numpy()[0, 0]:.4f}")
assert abs(weights.numpy()[0, 0] - 0.99) < 1e-4
