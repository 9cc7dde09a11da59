// The two loops of lstm.py for float32 on the CPU. In a timestep each thread takes some hidden units:
// their products, and then, while these are in the cache, their elementwise work. Arrays lie by
// columns: a timestep's states are (H, N), its gates (4H, N) with the blocks i, f, o, g.
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/native/CPUBlas.h>
#include <torch/extension.h>

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
void multiply(float* out, float* W, float* x, int64_t M, int64_t N, int64_t K, bool add) {
  for (int64_t k = 0; k < K; k += 512)
    at::native::cpublas::brgemm(
        M, N, std::min<int64_t>(512, K - k), K, N, N, add || k, W + k, x + k * N, out);
}

// out (M, N) += W x in the narrower dtype of W, on all cores
void add_narrow(at::Tensor out, const at::Tensor& W, const at::Tensor& x) {
  out.add_(at::mm(W, x.to(W.scalar_type())));
}

bool is_narrow(const at::Tensor& W) { return W.scalar_type() != at::kFloat; }

void check(at::TensorList arrays) {  // what is read and written through pointers
  for (const auto& each : arrays)
    TORCH_CHECK(each.is_contiguous() && each.scalar_type() == at::kFloat, "float32 by columns");
}

// matrix: (M, N). Returns: (N, M)
at::Tensor transposed(at::Tensor matrix) {
  const at::NoGradGuard no_grad;
  matrix = matrix.contiguous();
  const int64_t M = matrix.size(0), N = matrix.size(1), tile = 64;
  at::Tensor out = at::empty({N, M}, matrix.options());
  float *from = matrix.data_ptr<float>(), *to = out.data_ptr<float>();
  at::parallel_for(0, N, tile, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k += tile)
      for (int64_t m = 0; m < M; m += tile)
        at::vec::transpose_mxn<float>(from + m * N + k, N, to + k * M + m, M,
                                      std::min(tile, M - m), std::min(tile, end - k));
  });
  return out;
}

// gates: (T, 4H, N), x Wx + b at first if W is narrow; x: (T, D, N); h, c: (T + 1, H, N), the
// first given; tanh_c: (T, H, N); Wx: (4H, D); W: (4H, H); b: (4H,)
void forward(at::Tensor gates, at::Tensor x, at::Tensor h, at::Tensor c, at::Tensor tanh_c,
             at::Tensor Wx, at::Tensor W, at::Tensor b) {
  const at::NoGradGuard no_grad;
  const bool narrow = is_narrow(W);
  b = b.contiguous();
  check({gates, x, h, c, tanh_c, Wx, b});
  const int64_t D = x.size(1), H = h.size(1), N = h.size(2), M = H * N;
  const Floats one(1);
  for (int64_t t = 0; t < gates.size(0); t++) {
    if (narrow) add_narrow(gates[t], W, h[t]);
    share(H, [&](int64_t unit, int64_t units) {
      float* a = gates.data_ptr<float>() + 4 * M * t + unit * N;
      float *prev_h = h.data_ptr<float>() + M * t, *next_h = prev_h + M + unit * N;
      float *prev_c = c.data_ptr<float>() + M * t + unit * N, *next_c = prev_c + M;
      float* tanh = tanh_c.data_ptr<float>() + M * t + unit * N;
      for (int64_t gate = 0; gate < 4 && !narrow; gate++) {
        const int64_t row = gate * H + unit;  // of the weights
        multiply(a + gate * M, Wx.data_ptr<float>() + row * D, x.data_ptr<float>() + t * D * N,
                 units, N, D, false);
        multiply(a + gate * M, W.data_ptr<float>() + row * H, prev_h, units, N, H, true);
        for (int64_t k = 0; k < units; k++) {
          const Floats bias(b.data_ptr<float>()[row + k]);
          float* of_unit = a + gate * M + k * N;
          in_vectors(N, [&](int64_t k, int64_t n) {
            (Floats::loadu(of_unit + k, n) + bias).store(of_unit + k, n);
          });
        }
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
}

// da: (T, 4H, N), to fill; dx: (T, D, N), to fill if W is not narrow; dstates: (T + 1, H, N), zero
// and then dh; dc: (H, N), zero; Wx: (D, 4H); W: (H, 4H)
void backward(at::Tensor da, at::Tensor dx, at::Tensor gates, at::Tensor c, at::Tensor tanh_c,
              at::Tensor dstates, at::Tensor dc, at::Tensor Wx, at::Tensor W) {
  const at::NoGradGuard no_grad;
  const bool narrow = is_narrow(W);
  Wx = Wx.contiguous(), W = W.contiguous();
  check({da, dx, gates, c, tanh_c, dstates, dc, Wx});
  const int64_t T = gates.size(0), D = dx.size(1), H = dc.size(1), N = dc.size(2), M = H * N;
  const Floats one(1);
  for (int64_t t = T; t >= 0; t--) {  // of h[t], and then of what made it
    if (narrow && t < T) add_narrow(dstates[t], W, da[t]);
    share(H, [&](int64_t unit, int64_t units) {
      float* dnext_h = dstates.data_ptr<float>() + M * t + unit * N;
      float *later = da.data_ptr<float>() + 4 * M * t, *out = later - 4 * M + unit * N;
      if (t < T && !narrow) {
        multiply(dnext_h, W.data_ptr<float>() + unit * 4 * H, later, units, N, 4 * H, true);
        const int64_t row = D * unit / H, rows = D * (unit + units) / H - row;
        multiply(dx.data_ptr<float>() + (t * D + row) * N, Wx.data_ptr<float>() + row * 4 * H,
                 later, rows, N, 4 * H, false);
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
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("transposed", &transposed);
  m.def("forward", &forward);
  m.def("backward", &backward);
}
