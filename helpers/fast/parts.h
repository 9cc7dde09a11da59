// What the engine is made of: vectors of floats, matrices turned over, products of one core, and
// attention over the positions of an image.
#pragma once
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/native/CPUBlas.h>
#include <torch/extension.h>

using at::Tensor;
using Floats = at::vec::Vectorized<float>;
using Optional = std::optional<Tensor>;

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

// Copy a matrix (M, N), whose rows are `stride` apart, into the memory of its transpose.
void transpose(const float* from, int64_t stride, float* to, int64_t to_stride, int64_t M,
               int64_t N) {
  at::vec::transpose_mxn<float>(from, stride, to, to_stride, M, N);
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
        transpose(from + m * N + n, N, to + n * M + m, M, std::min(tile, M - m),
                  std::min(tile, end - n));
  });
  return out;
}

Tensor from_memory(const Tensor& array) { return array.permute({2, 0, 1}); }  // as (N, T, F)

Tensor in_memory(const Tensor& sequence) { return sequence.permute({1, 2, 0}).contiguous(); }

Tensor flat_columns(const Tensor& array) { return array.transpose(0, 1).flatten(1); }  // (F, T N)

Tensor flat_rows(const Tensor& sequence) { return sequence.transpose(0, 1).flatten(0, 1); }

// The states before each timestep, first (N, H) and then all of h (N, T, H) but its last.
Tensor flat_previous(const Tensor& first, const Tensor& h) {
  return at::cat({first.unsqueeze(0), h.transpose(0, 1).slice(0, 0, h.size(1) - 1)}).flatten(0, 1);
}

// out[p] = A_p . v for the positions A (P, H) of an image, four at a time
void compare(const float* A, int64_t P, int64_t H, const float* v, float* out) {
  for (int64_t p = 0; p < P; p += 4) {
    Floats sums[4] = {Floats(0), Floats(0), Floats(0), Floats(0)};
    const int64_t several = std::min<int64_t>(4, P - p);
    in_vectors(H, [&](int64_t k, int64_t n) {
      const Floats x = Floats::loadu(v + k, n);
      for (int64_t q = 0; q < several; q++)
        sums[q] = at::vec::fmadd(x, Floats::loadu(A + (p + q) * H + k, n), sums[q]);
    });
    for (int64_t q = 0; q < several; q++)
      out[p + q] = at::vec::vec_reduce_all<float>(
          [](Floats& x, Floats& y) { return x + y; }, sums[q]);
  }
}

// out (H,) = sum of weights[p] A_p, or += it
void average(const float* A, int64_t P, int64_t H, const float* weights, float* out, bool add) {
  constexpr int64_t block = 4 * Floats::size();
  for (int64_t k = 0; k < H; k += block) {
    Floats sums[4];
    const int64_t size = std::min(block, H - k);
    in_vectors(size, [&](int64_t j, int64_t n) {
      sums[j / Floats::size()] = add ? Floats::loadu(out + k + j, n) : Floats(0);
    });
    for (int64_t p = 0; p < P; p++)
      in_vectors(size, [&](int64_t j, int64_t n) {
        Floats& sum = sums[j / Floats::size()];
        sum = at::vec::fmadd(Floats(weights[p]), Floats::loadu(A + p * H + k + j, n), sum);
      });
    in_vectors(size, [&](int64_t j, int64_t n) { sums[j / Floats::size()].store(out + k + j, n); });
  }
}

void softmax(float* scores, int64_t P, float scale) {
  float largest = -INFINITY, sum = 0;
  for (int64_t p = 0; p < P; p++) largest = std::max(largest, scores[p] *= scale);
  for (int64_t p = 0; p < P; p++) sum += scores[p] = std::exp(scores[p] - largest);
  for (int64_t p = 0; p < P; p++) scores[p] /= sum;
}

}  // namespace
