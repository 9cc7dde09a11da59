// lstm_forward and lstm_backward of lstm.py once more, for float32 on the CPU: the same arguments,
// the same cache. In a timestep each thread takes some hidden units: their products and then,
// while these are in its cache, their elementwise work. Inside, sequences lie by columns: the
// states of a timestep are (H, N), its gates (4H, N) in the blocks i, f, o, g.
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/native/CPUBlas.h>
#include <torch/extension.h>

using at::Tensor;
using Floats = at::vec::Vectorized<float>;
using Cache =  // x, c0, Wx, Wh, gates, c, tanh_c, h, as in lstm.py
    std::tuple<Tensor, std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

namespace {

// Call work(unit, units) in all threads, each time for a share of H hidden units.
template <typename Work>
void share(int64_t H, Work work) {
  at::parallel_for(0, H, 16, [&](int64_t begin, int64_t end) { work(begin, end - begin); });
}

// Call step(k, n) for n numbers from k on, as many as fit a register, until all are done.
template <typename Step>
void in_vectors(int64_t size, Step step) {
  for (int64_t k = 0; k < size; k += Floats::size())
    step(k, std::min<int64_t>(Floats::size(), size - k));
}

// A quarter of the time of Floats::tanh, which calls a library; its relative error is 3e-7. Near 0
// it is Cephes' polynomial, since 1 - 2 / (exp(2 x) + 1) loses digits there.
// https://netlib.org/cephes/
Floats tanh(const Floats& x) {
  const Floats one(1), y = x * x;
  Floats p = at::vec::fmadd(y, Floats(-5.70498872745e-3f), Floats(2.06390887954e-2f));
  for (float coefficient : {-5.37397155531e-2f, 1.33314422036e-1f, -3.33332819422e-1f})
    p = at::vec::fmadd(p, y, Floats(coefficient));
  const Floats large = one - Floats(2) / ((x + x).exp_u20() + one);
  return Floats::blendv(at::vec::fmadd(p * y, x, x), large, x.abs() > Floats(0.625f));
}

// exp_u20 makes a number of NaN, which is put back.
Floats sigmoid(const Floats& x) {
  const Floats one(1);
  return Floats::blendv(one / (one + x.neg().exp_u20()), x, x != x);
}

// Overwrite n numbers with a function of theirs. Returns: the result
template <typename Function>
Floats apply(Function function, float* x, int64_t n) {
  const Floats result = function(Floats::loadu(x, n));
  result.store(x, n);
  return result;
}

// Point to row [i, j] of an array without gaps: to unit j at timestep i of states (T, H, N).
float* at_row(const Tensor& array, int64_t i, int64_t j) {
  return array.data_ptr<float>() + (i * array.size(1) + j) * array.size(2);
}

// out (rows, N) = W x, or += it, with some rows of W (M, K) and x (K, N), on this core. K goes in
// pieces, because oneDNN's own loop over a long one leaves the cache.
void multiply(float* out, const Tensor& W, int64_t row, int64_t rows, const float* x, int64_t N,
              bool add) {
  const int64_t K = W.size(1), piece = 512;
  const float* from = W.data_ptr<float>() + row * K;
  for (int64_t k = 0; k < K && rows * N > 0; k += piece)
    at::native::cpublas::brgemm(rows, N, std::min(piece, K - k), K, N, N, add || k, from + k,
                                x + k * N, out);
}

bool in_autocast() { return at::autocast::is_autocast_enabled(at::kCPU); }

Tensor narrowed(const Tensor& x) { return x.to(at::autocast::get_autocast_dtype(at::kCPU)); }

// Whether autocast narrows the products of the loop. torch computes narrow ones, and first takes
// 13 us to find out how. A small product in float32 is done sooner here.
bool narrows(int64_t N, int64_t H) { return in_autocast() && N * H * H > 3 << 20; }

// Copy a matrix (M, N) into the memory of its transpose. Returns: (N, M)
Tensor transposed(Tensor matrix) {
  matrix = matrix.contiguous();
  const int64_t M = matrix.size(0), N = matrix.size(1), tile = 64;
  Tensor out = at::empty({N, M}, matrix.options());
  const float* from = matrix.data_ptr<float>();
  float* to = out.data_ptr<float>();
  at::parallel_for(0, N, tile, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n += tile)
      for (int64_t m = 0; m < M; m += tile)
        at::vec::transpose_mxn<float>(from + m * N + n, N, to + n * M + m, M,
                                      std::min(tile, M - m), std::min(tile, end - n));
  });
  return out;
}

Tensor from_memory(const Tensor& array) { return array.permute({2, 0, 1}); }  // as (N, T, F)

Tensor in_memory(const Tensor& sequence) { return sequence.permute({1, 2, 0}).contiguous(); }

Tensor flat_columns(const Tensor& array) { return array.transpose(0, 1).flatten(1); }  // (F, T N)

void refuse_gradients(at::TensorList arrays) {
  for (const Tensor& each : arrays)
    TORCH_CHECK(!at::GradMode::is_enabled() || !each.requires_grad(),
                "autograd cannot follow the compiled LSTM: see helpers.layers");
}

void check_cache(const Tensor& array, at::IntArrayRef sizes) {
  TORCH_CHECK(array.sizes() == sizes, "the cache holds an array of shape ", array.sizes(),
              " in the place of ", sizes);
}

std::tuple<Tensor, Cache> forward(const Tensor& x, const Tensor& h0, const Tensor& Wx,
                                  const Tensor& Wh, const Tensor& b,
                                  const std::optional<Tensor>& c0) {
  refuse_gradients({x, h0, Wx, Wh, b, c0.value_or(h0)});
  const at::NoGradGuard no_grad;
  const int64_t N = x.size(0), T = x.size(1), D = x.size(2), H = h0.size(1), M = H * N;
  const Tensor inputs = transposed(x.reshape({N, T * D})).view({T, D, N});
  Tensor gates = at::empty({T, 4 * H, N}, x.options()), out = at::empty({N, T, H}, x.options());
  Tensor h = at::empty({T + 1, H, N}, x.options()), c = at::empty_like(h);
  Tensor tanh_c = at::empty({T, H, N}, x.options());
  h[0].copy_(h0.t());
  c0 ? c[0].copy_(c0->t()) : c[0].zero_();
  const bool narrow = narrows(N, H);
  const Tensor W = narrow ? narrowed(transposed(Wh)) : transposed(Wh), WxT = transposed(Wx);
  const Tensor bias = b.contiguous();
  if (narrow) {
    const Tensor projected = at::mm(WxT, flat_columns(inputs)).view({4 * H, T, N});
    at::add_out(gates, projected.transpose(0, 1), bias.view({4 * H, 1}));
  }
  for (int64_t t = 0; t < T; t++) {
    if (narrow) gates[t].add_(at::mm(W, narrowed(h[t])));
    share(H, [&](int64_t unit, int64_t units) {
      float *a = at_row(gates, t, unit), *next_h = at_row(h, t + 1, unit);
      float *prev_c = at_row(c, t, unit), *next_c = at_row(c, t + 1, unit);
      float* tanh_t = at_row(tanh_c, t, unit);
      for (int64_t gate = 0; gate < 4 && !narrow; gate++) {
        const int64_t row = gate * H + unit;
        for (int64_t k = 0; k < units; k++)
          std::fill_n(a + gate * M + k * N, N, bias.data_ptr<float>()[row + k]);
        multiply(a + gate * M, WxT, row, units, at_row(inputs, t, 0), N, true);
        multiply(a + gate * M, W, row, units, at_row(h, t, 0), N, true);
      }
      in_vectors(units * N, [&](int64_t k, int64_t n) {
        Floats i = apply(sigmoid, a + k, n), f = apply(sigmoid, a + M + k, n);
        Floats o = apply(sigmoid, a + 2 * M + k, n), g = apply(tanh, a + 3 * M + k, n);
        Floats next = f * Floats::loadu(prev_c + k, n) + i * g, tanh_next = tanh(next);
        next.store(next_c + k, n);
        tanh_next.store(tanh_t + k, n);
        (o * tanh_next).store(next_h + k, n);
      });
      at::vec::transpose_mxn<float>(next_h, N, at_row(out, 0, t) + unit, T * H, units, N);
    });
  }
  const Tensor rows = x.transpose(0, 1).reshape({T * N, D});
  return {out, {rows, c0, Wx, Wh, from_memory(gates), from_memory(c), from_memory(tanh_c),
                from_memory(h)}};
}

std::vector<Tensor> backward(Tensor dh, const Tensor& x, const std::optional<Tensor>& c0,
                             const Tensor& Wx, const Tensor& Wh, Tensor gates, Tensor c,
                             Tensor tanh_c, Tensor h) {
  refuse_gradients({dh});
  const at::NoGradGuard no_grad;
  const int64_t N = dh.size(0), T = dh.size(1), D = x.size(1), H = dh.size(2), M = H * N;
  check_cache(x, {T * N, D}), check_cache(Wx, {D, 4 * H}), check_cache(Wh, {H, 4 * H});
  check_cache(gates, {N, T, 4 * H}), check_cache(tanh_c, {N, T, H});
  check_cache(c, {N, T + 1, H}), check_cache(h, {N, T + 1, H});
  dh = dh.contiguous();
  gates = in_memory(gates), c = in_memory(c), tanh_c = in_memory(tanh_c), h = in_memory(h);
  Tensor da = at::empty_like(gates);
  Tensor dx = H ? at::empty({N, T, D}, x.options()) : at::zeros({N, T, D}, x.options());
  const Tensor dh_t = at::empty({1, H, N}, x.options()), dx_t = at::empty({1, D, N}, x.options());
  const Tensor dprev_h = at::zeros_like(dh_t), dprev_c = at::zeros_like(dh_t);
  const bool narrow = narrows(N, H);
  const Tensor W = narrow ? narrowed(Wh) : Wh.to(at::kFloat).contiguous();
  const Tensor input_W = Wx.contiguous();
  const Floats one(1);
  for (int64_t t = T; t >= 0; t--) {  // from da[t] to h[t], and from there to da[t - 1]
    if (narrow && t < T) dprev_h[0].copy_(at::mm(W, narrowed(da[t])));
    share(H, [&](int64_t unit, int64_t units) {
      float *from_later = at_row(dprev_h, 0, unit), *dnext_h = at_row(dh_t, 0, unit);
      if (!narrow && t < T) {
        multiply(from_later, W, unit, units, at_row(da, t, 0), N, false);
        // as great a share of D
        const int64_t row = D * unit / H, rows = D * (unit + units) / H - row;
        float* dinput = at_row(dx_t, 0, row);
        multiply(dinput, input_W, row, rows, at_row(da, t, 0), N, false);
        at::vec::transpose_mxn<float>(dinput, N, at_row(dx, 0, t) + row, T * D, rows, N);
      }
      if (t == 0) return;
      float *a = at_row(gates, t - 1, unit), *out = at_row(da, t - 1, unit);
      float *prev_c = at_row(c, t - 1, unit), *tanh_t = at_row(tanh_c, t - 1, unit);
      float* dcell = at_row(dprev_c, 0, unit);
      at::vec::transpose_mxn<float>(at_row(dh, 0, t - 1) + unit, T * H, dnext_h, N, N, units);
      in_vectors(units * N, [&](int64_t k, int64_t n) {
        auto load = [&](float* from) { return Floats::loadu(from + k, n); };
        Floats i = load(a), f = load(a + M), o = load(a + 2 * M), g = load(a + 3 * M);
        Floats tanh_next = load(tanh_t), dnext = load(dnext_h) + load(from_later);
        Floats dnext_c = load(dcell) + dnext * o * (one - tanh_next * tanh_next);
        (dnext_c * g * i * (one - i)).store(out + k, n);
        (dnext_c * load(prev_c) * f * (one - f)).store(out + M + k, n);
        (dnext * tanh_next * o * (one - o)).store(out + 2 * M + k, n);
        (dnext_c * i * (one - g * g)).store(out + 3 * M + k, n);
        (dnext_c * f).store(dcell + k, n);
      });
    });
  }
  const Tensor flat = flat_columns(da), factor = in_autocast() ? narrowed(flat) : flat;
  if (narrow) dx = at::mm(factor.t(), Wx.t()).view({T, N, D}).transpose(0, 1);
  std::vector<Tensor> gradients = {dx, dprev_h[0].t(), at::mm(x.t(), factor.t()),
                                   at::mm(flat_columns(h.slice(0, 0, T)), factor.t()), flat.sum(1)};
  if (c0) gradients.push_back(dprev_c[0].t());
  return gradients;
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &forward, pybind11::call_guard<pybind11::gil_scoped_release>());
  m.def("backward", &backward, pybind11::call_guard<pybind11::gil_scoped_release>());
}
