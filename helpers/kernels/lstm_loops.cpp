// The two loops of lstm.py for float32 on the CPU. In a timestep each thread takes some hidden units:
// their products, and then, while these are in the cache, their elementwise work. Arrays lie by
// columns: a timestep's states are (H, N), its gates (4H, N) with the blocks i, f, o, g.
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/native/CPUBlas.h>
#include <torch/extension.h>

using Floats = at::vec::Vectorized<float>;

template <typename Work>  // call work(unit, units) for a share of H hidden units, on each core
void share_units(int64_t H, Work work) {
  at::parallel_for(0, H, 16, [&](int64_t begin, int64_t end) { work(begin, end - begin); });
}

template <typename Step>  // call step(k, n) for n numbers from k on, as many as fit a register
void in_vectors(int64_t size, Step step) {
  for (int64_t k = 0; k < size; k += Floats::size())
    step(k, std::min<int64_t>(Floats::size(), size - k));
}

// out (M, N) += W (M, K) x (K, N), on this core alone. oneDNN's own loop over K leaves the cache.
void add_product(float* out, float* W, float* x, int64_t M, int64_t N, int64_t K) {
  for (int64_t k = 0; k < K; k += 512)
    at::native::cpublas::brgemm(
        M, N, std::min<int64_t>(512, K - k), K, N, N, true, W + k, x + k * N, out);
}

// The same on all cores in a narrower dtype, if W has one; W is float32 otherwise.
bool add_narrow_product(at::Tensor out, const at::Tensor& W, const at::Tensor& x) {
  if (W.scalar_type() == at::kFloat) return false;
  out.add_(at::mm(W, x.to(W.scalar_type())));
  return true;
}

void check(at::TensorList arrays) {  // what the loops read and write through pointers
  for (const auto& each : arrays)
    TORCH_CHECK(each.is_contiguous() && each.scalar_type() == at::kFloat, "float32 by columns");
}

// gates: (T, 4H, N), x Wx + b at first; W: (4H, H); h, c: (T + 1, H, N), the first given; tanh_c
void forward(at::Tensor gates, at::Tensor W, at::Tensor h, at::Tensor c, at::Tensor tanh_c) {
  const at::NoGradGuard no_grad;
  check({gates, h, c, tanh_c});
  const int64_t H = h.size(1), N = h.size(2), M = H * N;
  const Floats one(1);
  for (int64_t t = 0; t < gates.size(0); t++) {
    const bool narrow = add_narrow_product(gates[t], W, h[t]);
    share_units(H, [&](int64_t unit, int64_t units) {
      float* a = gates.data_ptr<float>() + 4 * M * t + unit * N;
      float *prev_h = h.data_ptr<float>() + M * t, *next_h = prev_h + M + unit * N;
      float *prev_c = c.data_ptr<float>() + M * t + unit * N, *next_c = prev_c + M;
      float* tanh = tanh_c.data_ptr<float>() + M * t + unit * N;
      for (int64_t gate = 0; gate < 4 && !narrow; gate++)
        add_product(a + gate * M, W.data_ptr<float>() + (gate * H + unit) * H, prev_h, units, N, H);
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
}

// da: (T, 4H, N), to fill; dstates: (T + 1, H, N), zero and then dh; dc: (H, N), zero; W: (H, 4H)
void backward(at::Tensor da, at::Tensor gates, at::Tensor c, at::Tensor tanh_c,
              at::Tensor dstates, at::Tensor dc, at::Tensor W) {
  const at::NoGradGuard no_grad;
  check({da, gates, c, tanh_c, dstates, dc});
  const int64_t H = dc.size(1), N = dc.size(2), M = H * N, T = gates.size(0);
  const Floats one(1);
  for (int64_t t = T; t >= 0; t--) {  // of h[t], and then of what made it
    const bool narrow = t < T && add_narrow_product(dstates[t], W, da[t]);
    share_units(H, [&](int64_t unit, int64_t units) {
      float* dnext_h = dstates.data_ptr<float>() + M * t + unit * N;
      float *later = da.data_ptr<float>() + 4 * M * t, *out = later - 4 * M + unit * N;
      if (t < T && !narrow)
        add_product(dnext_h, W.data_ptr<float>() + unit * 4 * H, later, units, N, 4 * H);
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
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &forward);
  m.def("backward", &backward);
}
