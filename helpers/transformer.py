"""What a transformer is made of: the attention of notebook 04, with three steps more.

Vaswani et al. 2017, "Attention Is All You Need", with the normalisation first, as in Xiong et
al. 2020, "On Layer Normalization in the Transformer Architecture". `tools/transformer_captioner.py`
makes a captioner of two such blocks.
"""

from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class MultiHeadAttention(nn.Module):
    """Attention with its own queries, keys and values, in several heads side by side.

    Inputs: dim: E, size of a vector; heads: how many parts it is cut into
    """

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.join = (
            nn.Linear(dim, dim, bias=False) for _ in range(4)
        )

    def forward(self, x, A, causal=False):
        """Let each row of x ask the rows of A; a causal one asks itself and earlier rows alone.

        Inputs: x (N, T, E), A (N, P, E). Returns: (N, T, E).
        """
        Q, K, V = (
            y.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (N, heads, T or P, E / heads)
            for y in (self.query(x), self.key(A), self.value(A))
        )
        attn = scaled_dot_product_attention(Q, K, V, is_causal=causal)  # (N, heads, T, E / heads)
        return self.join(attn.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Ask the words so far, ask the picture, then think; each result is added to the words.

    Inputs: dim, heads: as for `MultiHeadAttention`; dropout: probability
    """

    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.words, self.picture = (MultiHeadAttention(dim, heads) for _ in range(2))
        self.think = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, A):
        """Inputs: x (N, T, E), A (I, P, E); K = N / I rows share a picture. Returns: (N, T, E)."""
        first, second, third = self.norms
        y = first(x)
        x = x + self.dropout(self.words(y, y, causal=True))
        y = second(x).reshape(len(A), -1, x.shape[2])  # (I, K T, E)
        x = x + self.dropout(self.picture(y, A).reshape(x.shape))
        return x + self.dropout(self.think(third(x)))
