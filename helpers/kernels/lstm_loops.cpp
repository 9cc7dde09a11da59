// The two loops of lstm.py for float32 on the CPU. A timestep's elementwise work is one pass over
// memory here, shared by all cores, and no call goes through Python. Arrays lie by columns:
// a timestep's states are (H, N), its gates (4H, N) with the blocks i, f, o, g.
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/vec.h>
#include <torch/extension.h>

using Floats = at::vec::Vectorized<float>;
constexpr int64_t GRAIN = 2048;  // numbers that are worth a thread

template <typename Step>  // call step(k, n) for n numbers from k on, on all cores
void in_vectors(int64_t size, Step step) {
  at::parallel_for(0, size, GRAIN, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k += Floats::size())
      step(k, std::min<int64_t>(Floats::size(), end - k));
  });
}

void add_product(at::Tensor out, const at::Tensor& W, const at::Tensor& x) {  // out += W x
  if (W.scalar_type() == out.scalar_type()) out.addmm_(W, x);
  else out.add_(at::mm(W, x.to(W.scalar_type())));
}

void check(at::TensorList arrays) {  // what the loops read and write through pointers
  for (const auto& each : arrays)
    TORCH_CHECK(each.is_contiguous() && each.scalar_type() == at::kFloat, "float32 by columns");
}

// gates: (T, 4H, N), x Wx + b at first; W: (4H, H); h, c: (T + 1, H, N), the first given; tanh_c
void forward(at::Tensor gates, at::Tensor W, at::Tensor h, at::Tensor c, at::Tensor tanh_c) {
  const at::NoGradGuard no_grad;
  check({gates, h, c, tanh_c});
  const int64_t M = h.size(1) * h.size(2);
  const Floats one(1);
  for (int64_t t = 0; t < gates.size(0); t++) {
    add_product(gates[t], W, h[t]);
    float* a = gates.data_ptr<float>() + 4 * M * t;
    float *next_h = h.data_ptr<float>() + M * (t + 1), *prev_c = c.data_ptr<float>() + M * t;
    float* tanh = tanh_c.data_ptr<float>() + M * t;
    in_vectors(M, [&](int64_t k, int64_t n) {
      auto sigmoid = [&](float* x) {
        Floats z = one / (one + Floats::loadu(x, n).neg().exp());
        z.store(x, n);
        return z;
      };
      Floats i = sigmoid(a + k), f = sigmoid(a + M + k), o = sigmoid(a + 2 * M + k);
      Floats g = Floats::loadu(a + 3 * M + k, n).tanh();
      g.store(a + 3 * M + k, n);
      Floats next_c = f * Floats::loadu(prev_c + k, n) + i * g;
      next_c.store(prev_c + M + k, n);
      Floats tanh_next = next_c.tanh();
      tanh_next.store(tanh + k, n);
      (o * tanh_next).store(next_h + k, n);
    });
  }
}

// da: (T, 4H, N), to fill; dstates: (T + 1, H, N), zero and then dh; dc: (H, N), zero; W: (H, 4H)
void backward(at::Tensor da, at::Tensor gates, at::Tensor c, at::Tensor tanh_c,
              at::Tensor dstates, at::Tensor dc, at::Tensor W) {
  const at::NoGradGuard no_grad;
  check({da, gates, c, tanh_c, dstates, dc});
  const int64_t M = dc.numel();
  const Floats one(1);
  float* dcell = dc.data_ptr<float>();
  for (int64_t t = gates.size(0) - 1; t >= 0; t--) {
    float *out = da.data_ptr<float>() + 4 * M * t, *a = gates.data_ptr<float>() + 4 * M * t;
    float *prev_c = c.data_ptr<float>() + M * t, *tanh = tanh_c.data_ptr<float>() + M * t;
    float* dnext_h = dstates.data_ptr<float>() + M * (t + 1);
    in_vectors(M, [&](int64_t k, int64_t n) {
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
    add_product(dstates[t], W, da[t]);
  }
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &forward);
  m.def("backward", &backward);
}
