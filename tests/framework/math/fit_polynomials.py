#!/usr/bin/env python3
"""Remakes the polynomial coefficients of soma/sdk/math/functions.hpp.

Each fit is a minimax polynomial (Remez exchange, 50 digits) of the relative error that reaches the
result. Coefficients are rounded to float32 one by one from the lowest, and the rest fitted again around
each rounded one, so that rounding them costs next to nothing.

Usage: fit_polynomials.py            prints name, error and coefficients, lowest power first
"""
import struct
from decimal import Decimal as D
from decimal import getcontext

getcontext().prec = 50
PI = D("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")


def series(x, first, ratio):
    """Sums the series with the given first term and ratio(k) of term k + 1 to term k."""
    term, total, k = first, first, 0
    while term != 0 and abs(term) > abs(total) * D(10) ** -48:
        term *= ratio(k)
        total += term
        k += 1
    return total


def sin(x):
    return series(x, x, lambda k: -x * x / ((2 * k + 2) * (2 * k + 3)))


def cos(x):
    return series(x, D(1), lambda k: -x * x / ((2 * k + 1) * (2 * k + 2)))


def erf(x):
    # 2/sqrt(pi) exp(-x^2) sum 2^k x^(2k+1) / (2k+1)!!, all terms positive
    return 2 / PI.sqrt() * (-x * x).exp() * series(x, x, lambda k: 2 * x * x / (2 * k + 3))


def mills(a):
    """Tail of the normal distribution over exp(-a^2/2); two numbers of up to 1e47 nearly cancel."""
    digits = getcontext().prec
    getcontext().prec = digits + 50
    x = a / D(2).sqrt()
    term = total = x
    for k in range(2000):
        term *= 2 * x * x / (2 * k + 3)
        total += term
    y = ((x * x).exp() - 2 / PI.sqrt() * total) / 2
    getcontext().prec = digits
    return +y


def tanh(x):
    return 1 - 2 / ((2 * x).exp() + 1)


def to_float32(x):
    return D(struct.unpack("f", struct.pack("f", float(x)))[0])


def solve(a, b):
    n = len(b)
    a = [row[:] + [v] for row, v in zip(a, b)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(a[r][i]))
        a[i], a[pivot] = a[pivot], a[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            if f != 0:
                a[r] = [u - f * v for u, v in zip(a[r], a[i])]
    x = [D(0)] * n
    for i in reversed(range(n)):
        x[i] = (a[i][n] - sum(a[i][j] * x[j] for j in range(i + 1, n))) / a[i][i]
    return x


def remez(target, scale, powers, low, high, points=1200):
    """Coefficients of sum c_i x^powers_i that minimise max |poly - target| * scale on [low, high]."""
    n = len(powers)
    grid = [low + (high - low) * (1 - cos(PI * D(i) / points)) / 2 for i in range(points + 1)]
    t = [target(x) for x in grid]
    s = [scale(x) for x in grid]
    basis = [[x**p for p in powers] for x in grid]
    chosen = [round((points) * i / n) for i in range(n + 1)]
    for _ in range(40):
        rows = [basis[i] + [(-1) ** k / s[i]] for k, i in enumerate(chosen)]
        *c, e = solve(rows, [t[i] for i in chosen])
        error = [(sum(a * b for a, b in zip(c, basis[i])) - t[i]) * s[i] for i in range(len(grid))]
        # one extremum for each run of equal sign
        extrema = []
        for i, v in enumerate(error):
            if extrema and (error[extrema[-1]] > 0) == (v > 0):
                if abs(v) > abs(error[extrema[-1]]):
                    extrema[-1] = i
            else:
                extrema.append(i)
        while len(extrema) > n + 1:
            extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
        worst = max(abs(v) for v in error)
        if len(extrema) < n + 1 or worst <= abs(e) * D("1.001"):
            return c, worst
        chosen = extrema
    return c, worst


def fit(name, target, scale, powers, low, high):
    low, high = D(low), D(high)
    done = []
    while len(done) < len(powers):
        k = len(done)
        rest = lambda x: target(x) - sum(c * x**p for c, p in zip(done, powers))
        c, worst = remez(rest, scale, powers[k:], low, high)
        done.append(to_float32(c[0]))
    print(f"{name}: error {float(worst * 2**24):.4f} * 2^-24")
    for c in done:
        print(f"  {float(c).hex()}")


def fit_at_once(name, target, scale, powers, low, high):
    """All coefficients rounded together: for an interval far beyond zero, where Remez needs them all."""
    c, _ = remez(target, scale, powers, low, high, points=400)
    c = [to_float32(x) for x in c]
    grid = [low + (high - low) * i / 200 for i in range(201)]
    worst = max(abs(sum(a * x**p for a, p in zip(c, powers)) - target(x)) * scale(x) for x in grid)
    print(f"{name}: error {float(worst * 2**24):.4f} * 2^-24")
    for x in c:
        print(f"  {float(x).hex()}")


def even(f, low=D("1e-6")):
    """f of sqrt(z), for polynomials in z = x^2; a series value near zero is not needed there."""
    return lambda z: f(max(z, low * low).sqrt())


def main():
    ln2 = D(2).ln()
    h = ln2 / 2 * D("1.003")
    tiny = D("1e-9")
    nz = lambda r: r if abs(r) > tiny else tiny
    # exp(r) = 1 + r + r^2 q(r); weighted by its share of expm1, which is the larger one
    fit("exp q", lambda r: (nz(r).exp() - 1 - nz(r)) / nz(r) ** 2,
        lambda r: abs(nz(r)) ** 2 / abs(nz(r).exp() - 1), range(0, 6), -h, h)
    # log(1+f) = f - f^2/2 + f^3 p(f)
    third = D(1) / 3
    fit("log p", lambda f: ((1 + nz(f)).ln() - nz(f) + nz(f) ** 2 / 2) / nz(f) ** 3,
        lambda f: abs(nz(f)) ** 3 / abs((1 + nz(f)).ln()), range(0, 9), -third - D("0.001"),
        third + D("0.001"))
    # tanh(x) = x + x^3 p(x^2)
    fit("tanh p", even(lambda x: (tanh(x) - x) / x**3), even(lambda x: x**3 / tanh(x)),
        range(0, 6), "1e-12", D("0.65") ** 2)
    # sin(r) = r + r^3 p(r^2), cos(r) = 1 - r^2/2 + r^4 p(r^2)
    q = PI / 4 * D("1.01")
    fit("sin p", even(lambda x: (sin(x) - x) / x**3), even(lambda x: x**3 / sin(x)), range(0, 4),
        "1e-12", q * q)
    fit("cos p", even(lambda x: (cos(x) - 1 + x * x / 2) / x**4), even(lambda x: x**4 / cos(x)),
        range(0, 3), "1e-12", q * q)
    # erf(x) = x + x p(x^2) near zero
    c = D("0.93")
    fit("erf p", even(lambda x: (erf(x) - x) / x), even(lambda x: x / erf(x)), range(0, 7), "1e-12", c * c)
    # erf(x) = 1 - exp(-x - x p(x)) further out; an error of p reaches erf times x erfc / erf
    fit("erf tail p", lambda x: -((1 - erf(x)).ln() / x) - 1,
        lambda x: x * (1 - erf(x)) / erf(x), range(0, 7), D("0.92"), D("4.0"))
    # mills(a) = q R(1 - 2 near q) with q = 1 / (a + near)
    near = D("2.625")
    value = {}

    def normal_r(s):
        if s not in value:
            value[s] = mills(max(D(0), 2 * near / (1 - s) - near)) * 2 * near / (1 - s)
        return value[s]

    fit_at_once("normal R", normal_r, lambda s: 1 / normal_r(s), range(0, 10), D(-1),
                1 - 2 * near / (D("14.7") + near))


if __name__ == "__main__":
    main()
