// The LSTM and the attention LSTM of helpers/kernels once more, for float32 on the CPU: the same
// arguments, the same cache. In a timestep each thread takes some hidden units: their products and
// then, while these are in its cache, their elementwise work. Attention goes by rows of the batch.
// Inside, sequences lie by columns: states of a timestep are (H, N), its gates (4H, N) in the
// blocks i, f, o, g.
#include "parts.h"

namespace {

// Weights (M, K) and what they are multiplied with at each timestep, (T, K, N).
struct Factor {
  Tensor W, columns;
};

struct States {
  Tensor h, gates, c, tanh_c;  // h (N, T, H), gates (T, 4H, N), c (T + 1, H, N), tanh_c (T, H, N)
};

// Go through the timesteps. `attend` fills the last factor's columns for a timestep.
template <typename Attend>
States run(const Tensor& x, const Tensor& h0, const Optional& c0, const Tensor& Wx,
           const Tensor& Wh, const Tensor& b, const Tensor& h, std::vector<Factor> more,
           Attend attend) {
  const int64_t N = x.size(0), T = x.size(1), D = x.size(2), H = h0.size(1), M = H * N;
  Tensor gates = at::empty({T, 4 * H, N}, x.options());
  Tensor columns = at::empty({T + 1, H, N}, x.options()), c = at::empty_like(columns);
  Tensor tanh_c = at::empty({T, H, N}, x.options());
  columns[0].copy_(h0.t());
  c0 ? c[0].copy_(c0->t()) : c[0].zero_();
  std::vector<Factor> factors = {
      {transposed(Wx), transposed(x.reshape({N, T * D})).view({T, D, N})},
      {transposed(Wh), columns}};
  factors.insert(factors.end(), more.begin(), more.end());
  const Tensor bias = b.contiguous();
  const bool narrow = narrows(N, H);
  if (narrow) {
    const Tensor projected = at::mm(factors[0].W, flat_columns(factors[0].columns));
    at::add_out(gates, projected.view({4 * H, T, N}).transpose(0, 1), bias.view({4 * H, 1}));
    factors.erase(factors.begin());
    for (Factor& factor : factors) factor.W = narrowed(factor.W);
  }
  for (int64_t t = 0; t < T; t++) {
    attend(t);
    if (narrow)
      for (const Factor& factor : factors)
        gates[t].add_(at::mm(factor.W, narrowed(factor.columns[t])));
    share(H, [&](int64_t unit, int64_t units) {
      float *a = at_row(gates, t, unit), *next_h = at_row(columns, t + 1, unit);
      float *prev_c = at_row(c, t, unit), *next_c = at_row(c, t + 1, unit);
      float* tanh_t = at_row(tanh_c, t, unit);
      for (int64_t gate = 0; gate < 4 && !narrow; gate++) {
        const int64_t row = gate * H + unit;
        for (int64_t k = 0; k < units; k++)
          std::fill_n(a + gate * M + k * N, N, bias.data_ptr<float>()[row + k]);
        for (const Factor& factor : factors)
          multiply(a + gate * M, factor.W, row, units, at_row(factor.columns, t, 0), N, true);
      }
      in_vectors(units * N, [&](int64_t k, int64_t n) {
        Floats i = apply(sigmoid, a + k, n), f = apply(sigmoid, a + M + k, n);
        Floats o = apply(sigmoid, a + 2 * M + k, n), g = apply(tanh, a + 3 * M + k, n);
        Floats next = f * Floats::loadu(prev_c + k, n) + i * g, tanh_next = tanh(next);
        next.store(next_c + k, n);
        tanh_next.store(tanh_t + k, n);
        (o * tanh_next).store(next_h + k, n);
      });
      transpose(next_h, N, at_row(h, 0, t) + unit, T * H, units, N);
    });
  }
  return {h, from_memory(gates), from_memory(c.slice(0, 0, T)), from_memory(tanh_c)};
}

using Cache = std::tuple<Tensor, Tensor, Tensor, Tensor, Optional, Tensor, Tensor, Tensor, Tensor>;

std::tuple<Tensor, Cache> lstm_forward(const Tensor& x, const Tensor& h0, const Tensor& Wx,
                                       const Tensor& Wh, const Tensor& b, const Optional& c0) {
  const at::NoGradGuard no_grad;
  const Tensor h = at::empty({x.size(0), x.size(1), h0.size(1)}, x.options());
  const States s = run(x, h0, c0, Wx, Wh, b, h, {}, [](int64_t) {});
  return {h, {x, h0, Wx, Wh, c0, h, s.c, s.gates, s.tanh_c}};
}

std::tuple<Tensor, Tensor, std::vector<Tensor>> attention_lstm_forward(
    const Tensor& x, const Tensor& A_, const Tensor& Wx, const Tensor& Wh, const Tensor& Wattn,
    const Tensor& b) {
  const at::NoGradGuard no_grad;
  const Tensor A = A_.contiguous();
  const int64_t N = x.size(0), T = x.size(1), P = A.size(1), H = A.size(2), K = N / A.size(0);
  const Tensor h0 = A.mean(1).repeat_interleave(K, 0);  // (N, H)
  const Tensor h = at::empty({N, T, H}, x.options()), attn = at::empty_like(h);
  const Tensor alpha = at::empty({N, T, P}, x.options());
  const Factor look = {transposed(Wattn), at::empty({T, H, N}, x.options())};
  const States s = run(x, h0, h0, Wx, Wh, b, h, {look}, [&](int64_t t) {
    at::parallel_for(0, N, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float* positions = at_row(A, n / K, 0);
        const float* query = t ? at_row(h, n, t - 1) : h0.data_ptr<float>() + n * H;
        float* weights = at_row(alpha, n, t);
        compare(positions, P, H, query, weights);
        softmax(weights, P, 1 / std::sqrt(float(H)));
        average(positions, P, H, weights, at_row(attn, n, t), false);
      }
      transpose(at_row(attn, begin, t), T * H, at_row(look.columns, t, 0) + begin, N, end - begin,
                H);
    });
  });
  return {h, alpha, {x, A, Wx, Wh, Wattn, h, attn, alpha, s.c, s.gates, s.tanh_c}};
}

// A product with da[t]: W (rows, 4H) times it is written to (rows, N) columns, and by rows of the
// batch into `rows` (N, T, rows) at t, where it is defined.
struct Product {
  Tensor W, columns, rows;
};

// Go through the timesteps from the last one. `attend` is called when the products of a timestep
// are done, and may add to dh (N, T, H). Returns: da (T, 4H, N); dprev_c is overwritten
template <typename Attend>
Tensor run_backward(const Tensor& dh, const Tensor& c, const Tensor& gates, const Tensor& tanh_c,
                    const std::vector<Product>& products, const Tensor& dprev_c, Attend attend) {
  const int64_t N = dh.size(0), T = dh.size(1), H = dh.size(2), M = H * N;
  const Tensor da = at::empty_like(gates), dh_t = at::empty({1, H, N}, dh.options());
  const Tensor& dprev_h = products[0].columns;
  const bool narrow = narrows(N, H);
  std::vector<Tensor> narrow_W;
  if (narrow)
    for (const Product& product : products) narrow_W.push_back(narrowed(product.W));
  const Floats one(1);
  for (int64_t t = T - 1; t >= 0; t--) {
    share(H, [&](int64_t unit, int64_t units) {
      float *from_later = at_row(dprev_h, 0, unit), *dnext_h = at_row(dh_t, 0, unit);
      float *a = at_row(gates, t, unit), *out = at_row(da, t, unit);
      float *prev_c = at_row(c, t, unit), *tanh_t = at_row(tanh_c, t, unit);
      float* dcell = at_row(dprev_c, 0, unit);
      transpose(at_row(dh, 0, t) + unit, T * H, dnext_h, N, N, units);
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
    for (size_t k = 0; k < products.size() && narrow; k++) {
      const Tensor product = at::mm(narrow_W[k], narrowed(da[t]));
      products[k].columns[0].copy_(product);
      if (products[k].rows.defined()) products[k].rows.select(1, t).copy_(product.t());
    }
    if (!narrow)
      share(H, [&](int64_t unit, int64_t units) {
        for (const Product& product : products) {  // of each, as great a share of its rows
          const int64_t F = product.W.size(0), row = F * unit / H;
          const int64_t rows = F * (unit + units) / H - row;
          float* columns = at_row(product.columns, 0, row);
          multiply(columns, product.W, row, rows, at_row(da, t, 0), N, false);
          if (product.rows.defined())
            transpose(columns, N, at_row(product.rows, 0, t) + row, T * F, rows, N);
        }
      });
    attend(t);
  }
  return da;
}

// What the sums over time come from: rows (T N, F) times da (4H, T N).
Tensor weight_gradient(const Tensor& rows, const Tensor& da) { return at::mm(rows.t(), da.t()); }

Product make_product(const Tensor& W, int64_t N, const Tensor& rows) {
  return {W.contiguous(), at::zeros({1, W.size(0), N}, W.options()), rows};
}

std::vector<Tensor> lstm_backward(const Tensor& dh, const Tensor& x, const Tensor& h0,
                                  const Tensor& Wx, const Tensor& Wh, const Optional& c0,
                                  const Tensor& h, const Tensor& c, const Tensor& gates,
                                  const Tensor& tanh_c) {
  const at::NoGradGuard no_grad;
  const int64_t N = dh.size(0), H = dh.size(2);
  const Tensor dx = at::zeros(x.sizes(), x.options());
  const Product state = make_product(Wh, N, {}), input = make_product(Wx, N, dx);
  const Tensor dc0 = at::zeros({1, H, N}, dh.options());
  const Tensor da = flat_columns(run_backward(dh.contiguous(), in_memory(c), in_memory(gates),
                                              in_memory(tanh_c), {state, input}, dc0,
                                              [](int64_t) {}));
  std::vector<Tensor> gradients = {dx, state.columns[0].t(), weight_gradient(flat_rows(x), da),
                                   weight_gradient(flat_previous(h0, h), da), da.sum(1)};
  if (c0) gradients.push_back(dc0[0].t());
  return gradients;
}

std::vector<Tensor> attention_lstm_backward(const Tensor& dh_, const Tensor& x, const Tensor& A,
                                            const Tensor& Wx, const Tensor& Wh,
                                            const Tensor& Wattn, const Tensor& h,
                                            const Tensor& attn, const Tensor& alpha_,
                                            const Tensor& c, const Tensor& gates,
                                            const Tensor& tanh_c) {
  const at::NoGradGuard no_grad;
  const Tensor dh = dh_.clone(at::MemoryFormat::Contiguous);
  const Tensor alpha = alpha_.to(at::kFloat).contiguous();  // of the textbook's, in autocast
  const Tensor positions = A.contiguous();
  const int64_t N = dh.size(0), T = dh.size(1), H = dh.size(2), images = A.size(0);
  const int64_t P = A.size(1), K = N / images;
  const Tensor dx = at::zeros(x.sizes(), x.options()), dattn = at::empty_like(dh);
  const Tensor dscores = at::empty_like(alpha), dh0 = at::zeros({N, H}, dh.options());
  const Tensor dc0 = at::zeros({1, H, N}, dh.options()), prev_c = in_memory(c);
  const Product state = make_product(Wh, N, {});
  const std::vector<Product> products = {state, make_product(Wattn, N, dattn),
                                         make_product(Wx, N, dx)};
  const auto attend = [&](int64_t t) {
    at::parallel_for(0, N, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const float *image = at_row(positions, n / K, 0), *weights = at_row(alpha, n, t);
        float *scores = at_row(dscores, n, t), mean = 0;
        compare(image, P, H, at_row(dattn, n, t), scores);
        for (int64_t p = 0; p < P; p++) mean += weights[p] * scores[p];
        for (int64_t p = 0; p < P; p++)
          scores[p] = weights[p] * (scores[p] - mean) / std::sqrt(float(H));
        average(image, P, H, scores, t ? at_row(dh, n, t - 1) : dh0.data_ptr<float>() + n * H,
                true);
      }
    });
  };
  const Tensor da = flat_columns(run_backward(dh, prev_c, in_memory(gates), in_memory(tanh_c),
                                              products, dc0, attend));
  const Tensor c0 = prev_c[0].t(), prev_h = flat_previous(c0, h);  // c0 = h0
  const auto by_image = [&](const Tensor& one, const Tensor& other) {
    return at::cat({one.reshape({images, K * T, -1}), other.reshape({images, K * T, -1})}, 1);
  };
  const Tensor before = prev_h.view({T, N, H}).transpose(0, 1);
  // A is compared with the states, and averaged
  Tensor dA = at::bmm(by_image(dscores, alpha).mT(), by_image(before, dattn)).to(at::kFloat);
  const Tensor first = dh0 + state.columns[0].t() + dc0[0].t();  // of A's mean, twice
  dA += first.view({images, K, H}).sum(1, true) / P;
  return {dx, dA, weight_gradient(flat_rows(x), da), weight_gradient(prev_h, da),
          weight_gradient(flat_rows(attn), da), da.sum(1)};
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  const pybind11::call_guard<pybind11::gil_scoped_release> released;
  m.def("lstm_forward", &lstm_forward, released);
  m.def("lstm_backward", &lstm_backward, released);
  m.def("attention_lstm_forward", &attention_lstm_forward, released);
  m.def("attention_lstm_backward", &attention_lstm_backward, released);
}
