// lstm_forward and lstm_backward of lstm.py for float32 on the CPU; what they return is equal.
// In a timestep each thread takes some hidden units: their products, and then, while these are in
// its cache, their elementwise work. All sequences lie by columns: (T, F, N) in memory, and the
// gates (T, 4H, N) in the blocks i, f, o, g.
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/native/CPUBlas.h>
#include <torch/extension.h>

using at::Tensor;
using Floats = at::vec::Vectorized<float>;

template <typename Work>  // call work(unit, units) for a share of H hidden units, on each core
void share(int64_t H, Work work) {
  at::parallel_for(0, H, 16, [&](int64_t begin, int64_t end) { work(begin, end - begin); });
}

template <typename Step>  // call step(k, n) for n numbers from k on, as many as fit a register
void in_vectors(int64_t size, Step step) {
  for (int64_t k = 0; k < size; k += Floats::size())
    step(k, std::min<int64_t>(Floats::size(), size - k));
}

// out (M, N) = W (M, K) x (K, N), or += it, on this core. oneDNN's own loop over K leaves the cache.
void multiply(float* out, const float* W, const float* x, int64_t M, int64_t N, int64_t K,
              bool add) {
  for (int64_t k = 0; k < K; k += 512)
    at::native::cpublas::brgemm(
        M, N, std::min<int64_t>(512, K - k), K, N, N, add || k, W + k, x + k * N, out);
}

// Whether autocast narrows the products of the loop. In float32 small ones are sooner done than
// oneDNN has found its narrow one.
bool narrows(int64_t N, int64_t H) {
  return at::autocast::is_autocast_enabled(at::kCPU) && N * H * H > 3 << 20;
}

Tensor narrowed(const Tensor& array) {
  return array.to(at::autocast::get_autocast_dtype(at::kCPU));
}

// Fill out (N, M), without gaps, from matrix (M, N).
void transpose(Tensor matrix, Tensor out) {
  matrix = matrix.contiguous();
  const int64_t M = matrix.size(0), N = matrix.size(1), tile = 64;
  float *from = matrix.data_ptr<float>(), *to = out.data_ptr<float>();
  at::parallel_for(0, N, tile, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k += tile)
      for (int64_t m = 0; m < M; m += tile)
        at::vec::transpose_mxn<float>(from + m * N + k, N, to + k * M + m, M,
                                      std::min(tile, M - m), std::min(tile, end - k));
  });
}

Tensor transposed(const Tensor& matrix) {
  Tensor out = at::empty({matrix.size(1), matrix.size(0)}, matrix.options());
  transpose(matrix, out);
  return out;
}

Tensor view(const Tensor& array) { return array.permute({2, 0, 1}); }        // (T, F, N) as (N, T, F)
Tensor in_memory(const Tensor& array) { return array.permute({1, 2, 0}); }   // and back
Tensor flat_columns(const Tensor& array) { return array.transpose(0, 1).flatten(1); }  // (F, T N)

using Cache =  // as lstm.py has it: x, c0, Wx, Wh, gates, c, tanh_c, h
    std::tuple<Tensor, std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

std::tuple<Tensor, Cache> forward(
    const Tensor& x, const Tensor& h0, const Tensor& Wx, const Tensor& Wh, const Tensor& b,
    const std::optional<Tensor>& c0) {
  const at::NoGradGuard no_grad;
  const int64_t N = x.size(0), T = x.size(1), D = x.size(2), H = h0.size(1), M = N * H;
  const auto options = x.options();
  const Tensor inputs = at::empty({T, D, N}, options), gates = at::empty({T, 4 * H, N}, options);
  const Tensor h = at::empty({T + 1, H, N}, options), c = at::empty_like(h);
  const Tensor tanh_c = at::empty({T, H, N}, options);
  transpose(x.reshape({N, T * D}), inputs);
  h[0].copy_(h0.t());
  c0 ? c[0].copy_(c0->t()) : c[0].zero_();
  const bool narrow = narrows(N, H);
  Tensor W = transposed(Wh), Wx_columns, bias = b.contiguous();
  if (narrow) {
    W = narrowed(W);
    const Tensor projected = at::mm(Wx.t(), flat_columns(inputs)).view({4 * H, T, N});
    at::add_out(const_cast<Tensor&>(gates), projected.transpose(0, 1), b.view({4 * H, 1}));
  } else {
    Wx_columns = transposed(Wx);
  }
  const Floats one(1);
  for (int64_t t = 0; t < T; t++) {
    if (narrow) gates[t].add_(at::mm(W, narrowed(h[t])));
    share(H, [&](int64_t unit, int64_t units) {
      float* a = gates.data_ptr<float>() + 4 * M * t + unit * N;
      float *prev_h = h.data_ptr<float>() + M * t, *next_h = prev_h + M + unit * N;
      float *prev_c = c.data_ptr<float>() + M * t + unit * N, *next_c = prev_c + M;
      float* tanh = tanh_c.data_ptr<float>() + M * t + unit * N;
      for (int64_t gate = 0; gate < 4 && !narrow; gate++) {
        const int64_t row = gate * H + unit;  // of the weights
        for (int64_t k = 0; k < units; k++)
          std::fill_n(a + gate * M + k * N, N, bias.data_ptr<float>()[row + k]);
        multiply(a + gate * M, Wx_columns.data_ptr<float>() + row * D,
                 inputs.data_ptr<float>() + t * D * N, units, N, D, true);
        multiply(a + gate * M, W.data_ptr<float>() + row * H, prev_h, units, N, H, true);
      }
      in_vectors(units * N, [&](int64_t k, int64_t n) {
        auto sigmoid = [&](float* x) {
          Floats z = one / (one + Floats::loadu(x, n).neg().exp());
          z.store(x, n);
          return z;
        };
        Floats i = sigmoid(a + k), f = sigmoid(a + M + k), o = sigmoid(a + 2 * M + k);
        Floats g = Floats::loadu(a + 3 * M + k, n).tanh();
        g.store(a + 3 * M + k, n);
        Floats next = f * Floats::loadu(prev_c + k, n) + i * g, tanh_next = next.tanh();
        next.store(next_c + k, n);
        tanh_next.store(tanh + k, n);
        (o * tanh_next).store(next_h + k, n);
      });
    });
  }
  const Tensor out = transposed(h.slice(0, 1).view({T * H, N})).view({N, T, H});
  return {out, {view(inputs), c0, Wx, Wh, view(gates), view(c), view(tanh_c), view(h)}};
}

std::vector<Tensor> backward(
    const Tensor& dh, const Tensor& x, const std::optional<Tensor>& c0, const Tensor& Wx,
    const Tensor& Wh, Tensor gates, Tensor c, Tensor tanh_c, Tensor h) {
  const at::NoGradGuard no_grad;
  const Tensor inputs = in_memory(x);
  gates = in_memory(gates), c = in_memory(c), tanh_c = in_memory(tanh_c), h = in_memory(h);
  const int64_t T = inputs.size(0), D = inputs.size(1), N = inputs.size(2), H = h.size(1), M = N * H;
  const Tensor da = at::empty_like(gates), dx = at::empty_like(inputs);
  const Tensor dstates = at::empty_like(h), dc = at::zeros({H, N}, h.options());
  dstates[0].zero_();
  transpose(dh.reshape({N, T * H}), dstates.slice(0, 1));
  const bool narrow = narrows(N, H);
  const Tensor W = narrow ? narrowed(Wh) : Wh.contiguous(), Wx_rows = Wx.contiguous();
  const Floats one(1);
  for (int64_t t = T; t >= 0; t--) {  // of h[t], and then of what made it
    if (narrow && t < T) dstates[t].add_(at::mm(W, narrowed(da[t])));
    share(H, [&](int64_t unit, int64_t units) {
      float* dnext_h = dstates.data_ptr<float>() + M * t + unit * N;
      float *later = da.data_ptr<float>() + 4 * M * t, *out = later - 4 * M + unit * N;
      if (t < T && !narrow) {
        multiply(dnext_h, W.data_ptr<float>() + unit * 4 * H, later, units, N, 4 * H, true);
        const int64_t row = D * unit / H, rows = D * (unit + units) / H - row;
        multiply(dx.data_ptr<float>() + (t * D + row) * N,
                 Wx_rows.data_ptr<float>() + row * 4 * H, later, rows, N, 4 * H, false);
      }
      if (t == 0) return;
      float* a = gates.data_ptr<float>() + 4 * M * (t - 1) + unit * N;
      float* prev_c = c.data_ptr<float>() + M * (t - 1) + unit * N;
      float* tanh = tanh_c.data_ptr<float>() + M * (t - 1) + unit * N;
      float* dcell = dc.data_ptr<float>() + unit * N;
      in_vectors(units * N, [&](int64_t k, int64_t n) {
        auto load = [&](float* x) { return Floats::loadu(x + k, n); };
        Floats i = load(a), f = load(a + M), o = load(a + 2 * M), g = load(a + 3 * M);
        Floats tanh_next = load(tanh), dh = load(dnext_h);
        Floats dnext_c = load(dcell) + dh * o * (one - tanh_next * tanh_next);
        (dnext_c * g * i * (one - i)).store(out + k, n);
        (dnext_c * load(prev_c) * f * (one - f)).store(out + M + k, n);
        (dh * tanh_next * o * (one - o)).store(out + 2 * M + k, n);
        (dnext_c * i * (one - g * g)).store(out + 3 * M + k, n);
        (dnext_c * f).store(dcell + k, n);
      });
    });
  }
  const Tensor flat = flat_columns(da), db = flat.sum(1);
  const Tensor factor = at::autocast::is_autocast_enabled(at::kCPU) ? narrowed(flat) : flat;
  std::vector<Tensor> gradients = {
      narrow ? at::mm(factor.t(), Wx.t()).view({T, N, D}).transpose(0, 1)
             : transposed(dx.view({T * D, N})).view({N, T, D}),
      dstates[0].t(), at::mm(flat_columns(inputs), factor.t()),
      at::mm(flat_columns(h.slice(0, 0, T)), factor.t()), db};
  if (c0) gradients.push_back(dc.t());
  return gradients;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &forward);
  m.def("backward", &backward);
}
