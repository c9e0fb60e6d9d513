# %% [markdown] lang="en"
r"""
# 6. Attention: look it up

"*Peter opened the letter. The train passed the bridge. … Then he closed the door. Who is he?*" An RNN and an LSTM read the text once and must have kept Peter in
their state until the question comes. But a reader would simply look back. **Attention** does just that: keep *every* state, and when there is a question, compare it
with all of them.

## A soft look-up

A dictionary in Python takes a key and gives the value of the one entry whose key is equal. A soft dictionary compares the key with *all* entries and gives a mean of the values, weighted by how well they fit:

$$e_j = \operatorname{score}(q, h_j) \qquad \alpha = \operatorname{softmax}(e) \qquad \text{context} = \sum_j \alpha_j h_j$$

It is the reading of a memory by content, as in the next chapter's machine; only that here nothing is ever overwritten.
Bahdanau, Cho and Bengio (2015) let a small network give the score, $v^\top \tanh(W q + U h_j)$. Luong, Pham and Manning (2015) found that a product will do, $q^\top W h_j$, or plainly $q \cdot h_j$.
"""

# %% [markdown] lang="zh"
r"""
# 6. 注意力机制：查一查

"*Peter opened the letter. The train passed the bridge. … Then he closed the door. Who is he?*"（彼得拆开了信。火车过了桥。……后来他关上了门。"他"是谁？）RNN 和 LSTM 只读一遍，非得在状态里一直留着 Peter，直到有人问起。可是换了人来读，
回头看一眼就行了。**注意力机制**做的正是这件事：*每一个*状态都留着，问题来了，就拿它和所有状态比一比。

## 软的查找

Python 的字典拿一个键，给出键恰好相等的那一项。软的字典拿键和*所有*的项去比，按合适的程度加权，给出值的平均：

$$e_j = \operatorname{score}(q, h_j) \qquad \alpha = \operatorname{softmax}(e) \qquad \text{context} = \sum_j \alpha_j h_j$$

这就是按内容读一块记忆，下一章的机器也这样读；只不过在这里，写下的东西从来不会被改掉。
Bahdanau、Cho 与 Bengio（2015）用一个小网络来打分：$v^\top \tanh(W q + U h_j)$。Luong、Pham 与 Manning（2015）发现乘一下就够了：$q^\top W h_j$，甚至直接 $q \cdot h_j$。
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
The distance between the question and what it finds does not appear in these formulas. Neither does it appear in the gradient: from the answer to the state that was looked up it is *one* step, through one weight $\alpha_j$,
not $T$ steps through $T$ matrices. This is the whole secret.

## Who is he?

The texts of this task name a person in the first sentence; then others follow, on trains and dogs and people of the other sex; the last words ask for the person. Both models are trained with up to 4 sentences in between, 700 updates each, and then
asked with more.
"""

# %% [markdown] lang="zh"
r"""
问题与它要找的东西相隔多远，公式里没有出现，梯度里也没有出现：从答案到被查到的那个状态，只有*一*步，只经过一个权重 $\alpha_j$，而不是走 $T$ 步、乘 $T$ 个矩阵。全部的秘密就在这里。

## "他"是谁？

这个任务的文本在第一句里提到一个人，接着是别的句子，讲火车、讲狗、讲另一种性别的人，最后几个词问这个人是谁。两个模型训练时中间最多隔 4 句，各更新 700 次，然后拿隔得更远的来考。
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
    print(f"{name:10}" + ", ".join(f"{d} between: {a:4.0%}" for d, a in zip(DISTANCES, right, strict=True)))
print("guessing among the names that agree with the pronoun: 12.5 %")

# %% [markdown] lang="en"
r"""
Where does it look? One text, and the weights of every word to the words before it. The rows at the bottom are the question. They all look back to the first sentence, whatever came since; not to the name itself, but to the states a few words later: the LSTM below still knows the name there.
"""

# %% [markdown] lang="zh"
r"""
它在看哪里？取一段文本，画出每个词对前面各词的权重。最下面几行就是问题。不管后来说了什么，它们都回头看第一句；看的不是名字本身，而是名字后面几个词处的状态：下层的 LSTM 在那里还记得名字。
"""

# %% en="Attention of each word (rows) to the words up to it (columns)." zh="每个词（行）对此前各词（列）的注意力。"
xs = experiment.batch(experiment.keys.pictures, 0, 1, distance=4)[0]
hs = model.lstm(xs)
weights = model.attention(hs, hs, causal(len(xs)))[1][0]
words = experiment.task.read(xs)[0]
print(words if isinstance(words, str) else " ".join(words))
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
Recorded (`examples/results/coreference`; ten fresh seeds, trained with 10 sentences, asked with 30): attention is right in 100 % of the texts (median), MANN in 99.4 %, the NTM in 89.7 %.

## Scaled dot-product

Vaswani et al. (2017) threw away the recurrent network and kept the attention. Each word makes three vectors: a *query* (what am I looking for), a *key* (what have I got) and a *value* (what do I give):

$$\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\Big(\frac{Q K^\top}{\sqrt{d}}\Big)\, V$$

Why $\sqrt d$? A product of two random vectors of $d$ numbers has a spread of $\sqrt d$. Without the division, the softmax of a wide vector sees such large differences that it is all but hard, and hard choices have no gradient:
"""

# %% [markdown] lang="zh"
r"""
事先记录的结果（`examples/results/coreference`，十个新种子，训练时最多隔 10 句，考的时候隔 30 句）：注意力答对 100 %（中位数），MANN 99.4 %，NTM 89.7 %。

## 缩放点积注意力

Vaswani 等（2017）扔掉循环神经网络，只留下注意力。每个词做出三个向量：*查询*（我在找什么）、*键*（我有什么）、*值*（我给什么）：

$$\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\Big(\frac{Q K^\top}{\sqrt{d}}\Big)\, V$$

为什么除以 $\sqrt d$？两个有 $d$ 个数的随机向量，内积的幅度大约是 $\sqrt d$。不除的话，向量一宽，softmax 看到的差别就大得几乎成了"硬"选择，而硬选择没有梯度：
"""

# %%
for d in (4, 64, 1024):
    q, keys = rng.standard_normal(d), rng.standard_normal((20, d))
    plain, scaled = (
        mg.softmax(mg.tensor(keys @ q)).numpy(),
        mg.softmax(mg.tensor(keys @ q / np.sqrt(d))).numpy(),
    )
    print(
        f"d = {d:4}: greatest of 20 weights {plain.max():.3f} without, {scaled.max():.3f} with the division"
    )

# %% [markdown] lang="en"
r"""
**Many heads.** One softmax can look at one thing. So the vectors are cut into several parts, each part attends by itself, and the results are put side by side again. Here is all of it, and the library's, which must agree. The
*causal* mask hides what comes later from each word.
"""

# %% [markdown] lang="zh"
r"""
**多个头。** 一个 softmax 只能看一处。于是把向量切成几段，每段各看各的，再把结果拼回去。全部代码如下，应当与库里的一致。*因果*掩码让每个词看不到后面的词。
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

Every word looks at every word: $n$ words, $n^2$ weights. Twice the text costs four times as much, and all states must be kept, since nobody knows what will be asked. An RNN pays the same for every word, and keeps one state.
"""

# %% [markdown] lang="zh"
r"""
## 代价

每个词都要看每个词：$n$ 个词，$n^2$ 个权重。文本长一倍，代价是四倍；而且所有状态都得留着，因为谁也不知道会问什么。RNN 每个词的代价都一样，只留一个状态。
"""

# %%
for n in (64, 1024, 16384):
    print(
        f"{n:6,} words: {n * n:13,} weights of attention; an RNN of 64 units holds {64} numbers, attention {64 * n:,}"
    )

# %% [markdown] lang="en"
r"""
So there are two ways to remember: keep everything and look it up, at a price that grows; or keep a summary of fixed size, and lose some. The [next chapter](7_ntm.ipynb) looks for a third: a memory of fixed size that is *written to with care*.

## Exercises

**1.** Attention without positions does not know the order of the words. Show it: exchange two of them.
"""

# %% [markdown] lang="zh"
r"""
所以有两种记法：全都留着，要用再查，代价越来越大；或者只留一份大小固定的概括，难免丢掉一些。[下一章](7_ntm.ipynb)寻找第三种：大小固定，但*小心地写*的记忆。

## 练习

**1.** 没有位置编码的注意力不知道词的顺序。交换两个词，验证这一点。
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
**2.** Show that with the causal mask the output at word 2 does not depend on words 3, 4, …: its gradient there is exactly 0.
"""

# %% [markdown] lang="zh"
r"""
**2.** 验证用了因果掩码之后，第 2 个词的输出与第 3、4……个词无关：那里的梯度恰好是 0。
"""

# %% tags=["hide-cell"]
gradient = mg.grad(lambda x: mg.sum(multi_head(layer, x, causal(6))[2]))(x).numpy()
print("norms of the gradient by word:", np.linalg.norm(gradient, axis=1).round(3))
assert (gradient[3:] == 0).all()
assert (np.linalg.norm(gradient[:3], axis=1) > 0).all()

# %% [markdown] lang="en"
r"""
**3.** Make an exact dictionary of attention: keys that are orthogonal, and a scale. How large must the scale be, so that of 100 entries the right one gets 99 %?
"""

# %% [markdown] lang="zh"
r"""
**3.** 用注意力做一本精确的字典：键两两正交，再乘一个倍数。100 项之中，要让正确的那项得到 99 % 的权重，倍数得多大？
"""

# %% tags=["hide-cell"]
scale = np.log(99 * 99)  # e^s / (e^s + 99) = 0.99
keys = np.eye(100, dtype="float32")
_, weights = scaled_dot_product(
    mg.tensor(keys[:1] * scale * 10), mg.tensor(keys), mg.tensor(keys)
)  # it divides by √100 itself
print(f"scale {scale:.2f}: the right entry gets {weights.numpy()[0, 0]:.4f}")
assert abs(weights.numpy()[0, 0] - 0.99) < 1e-4
