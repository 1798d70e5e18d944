# %% [markdown]
# # 4. Reading the pictures of the lecture
#
# Question: drawings of recurrent networks have loops. What runs around in a loop, and how can a
# gradient get out of it?
#
# Answer: a loop is a link to the *next* time step. Drawn over time, one column for each step, no
# loop is left: the network is a long feed-forward one whose columns share their weights.
#
# In a notebook each picture appears below its cell; in a terminal, `minitorch-rnn draw state-space`
# writes both to files.

# %%
import minitorch_rnn as mt
from minitorch_rnn.teaching import draw

rnn = mt.column.state_space(2, 3, 2)
print(rnn)
rolled = draw(rnn)
print(rolled)
rolled

# %% [markdown]
# The label t-1 on the loop is its delay: what the link reads is h1 one step earlier. Unrolled, it
# leads from one column to the next. What stands left of t = 0 is h1(-1), the initial state; here it
# is learned (slide 69).

# %%
unrolled = draw(rnn, T=4)
print(unrolled)
unrolled

# %% [markdown]
# How many nodes does it have? Three in each of the four columns, and h1(-1).

# %%
nodes = unrolled.svg().count("data-node=")
print(nodes, "nodes")
assert nodes == 3 * 4 + 1

# %% [markdown]
# ## Reading a picture is reading a table
# A column lists its edges. Those with a delay lead from one column to another; those that are
# blocked are dashed: values pass, gradients do not.

# %%
for network in (mt.column.jordan, mt.column.narx, mt.column.bidirectional):
    column = network(2, 3, 2)
    print(column.name)
    for edge in column.edges:
        print(f"  {edge.name:15} delay {edge.delay}, gradient {edge.gradient}")

# %% [markdown]
# Jordan's memory m has fixed weights and dashed links: an error cannot get into the past. NARX has
# no loop at its hidden layer at all: its only memory is its own output, fed back.

# %%
draw(mt.column.jordan(2, 3, 2), T=4)

# %%
draw(mt.column.narx(2, 3, 2), T=4)

# %% [markdown]
# In the bidirectional network the links of h_b point from the future to the past, and its initial
# state stands at the right.

# %%
draw(mt.column.bidirectional(2, 3, 2), T=4)

# %% [markdown]
# ## How deep is it?
# Unrolled, the longest path from x(0) to Y(T-1) grows with T: that is what "deep in time" means,
# and why the gradient has so far to go. Long sequences are drawn without their middle.

# %%
long = draw(rnn, T=200)
shown = {part.split('"')[0] for part in long.svg().split('data-t="')[1:]}
print("columns that are drawn:", sorted(map(int, shown)))
assert len(shown) < 12 and "199" in shown
long
