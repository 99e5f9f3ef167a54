// Small vectors, smooth minima and hash noise for the renderer. Builds as C++ (g++) and as CUDA (nvcc).
// Smooth minimum: Inigo Quilez's quadratic polynomial form, restated.
#pragma once
#include <cmath>
#include <cstdint>
#ifdef __CUDACC__
#define HD __host__ __device__ inline
#define HD_ONCE __host__ __device__ __noinline__  // called from many places: one copy keeps the kernel small
#else
#define HD inline
#define HD_ONCE inline
#endif

struct V2 { float x, y; };
struct V3 { float x, y, z; };

HD V3 v3(float x, float y, float z) { return {x, y, z}; }
HD V3 v3(float a) { return {a, a, a}; }
HD V3 operator+(V3 a, V3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
HD V3 operator-(V3 a, V3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
HD V3 operator*(V3 a, V3 b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
HD V3 operator/(V3 a, V3 b) { return {a.x / b.x, a.y / b.y, a.z / b.z}; }
HD V3 operator*(V3 a, float s) { return {a.x * s, a.y * s, a.z * s}; }
HD V3 operator*(float s, V3 a) { return a * s; }
HD V3 operator-(V3 a) { return {-a.x, -a.y, -a.z}; }
HD float dot(V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
HD float len(V3 a) { return sqrtf(dot(a, a)); }
HD float len(float x, float y) { return sqrtf(x * x + y * y); }
HD V3 unit(V3 a) { return a * (1.0f / fmaxf(len(a), 1e-9f)); }
HD V3 cross(V3 a, V3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }

HD float clampf(float x, float lo, float hi) { return fminf(fmaxf(x, lo), hi); }
HD float sat(float x) { return clampf(x, 0.f, 1.f); }
HD float mixf(float a, float b, float t) { return a + (b - a) * t; }
HD V3 mix(V3 a, V3 b, float t) { return a + (b - a) * t; }
HD float step01(float lo, float hi, float x) {  // smoothstep; lo > hi gives the falling edge
  float t = sat((x - lo) / (hi - lo));
  return t * t * (3.f - 2.f * t);
}
HD float bell(float x, float width) { float t = x / width; return expf(-t * t); }
HD float sq(float x) { return x * x; }
HD float fractf(float x) { return x - floorf(x); }

HD float smin(float a, float b, float k) {
  float h = fmaxf(k - fabsf(a - b), 0.f) / k;
  return fminf(a, b) - h * h * k * 0.25f;
}
HD float smax(float a, float b, float k) { return -smin(-a, -b, k); }

// ---- distances -----------------------------------------------------------------------------------------------------
HD float ball(V3 p, V3 c, float r) { return len(p - c) - r; }
HD float egg(V3 p, V3 c, V3 r) {  // ellipsoid, first-order distance
  V3 q = p - c, a = q / r;
  float k0 = len(a), k1 = len(a / r);
  return k0 * (k0 - 1.f) / fmaxf(k1, 1e-6f);
}
HD float stick(V3 p, V3 a, V3 b, float ra, float rb) {  // capsule whose radius goes from ra to rb
  V3 pa = p - a, ba = b - a;
  float h = sat(dot(pa, ba) / dot(ba, ba));
  return len(pa - ba * h) - mixf(ra, rb, h);
}
HD float ring(V3 p, V3 c, float R, float r) {  // torus round the y axis
  V3 q = p - c;
  return len(len(q.x, q.z) - R, q.y) - r;
}

// ---- noise ---------------------------------------------------------------------------------------------------------
HD uint32_t mixbits(uint32_t x) {
  x ^= x >> 16; x *= 0x7feb352du; x ^= x >> 15; x *= 0x846ca68bu; x ^= x >> 16;
  return x;
}
HD float hash1(int x, int y, int z) {
  uint32_t h = mixbits((uint32_t)x * 0x9e3779b1u ^ mixbits((uint32_t)y * 0x85ebca77u ^ mixbits((uint32_t)z * 0xc2b2ae3du)));
  return (float)(h >> 8) * (1.f / 16777216.f);
}
HD float noise2(float x, float y, int seed) {  // value noise, 0..1
  float fx = floorf(x), fy = floorf(y), u = x - fx, v = y - fy;
  u = u * u * (3.f - 2.f * u); v = v * v * (3.f - 2.f * v);
  int i = (int)fx, j = (int)fy;
  return mixf(mixf(hash1(i, j, seed), hash1(i + 1, j, seed), u), mixf(hash1(i, j + 1, seed), hash1(i + 1, j + 1, seed), u), v);
}
HD float cloud2(float x, float y, int seed) {  // three octaves, 0..1
  return 0.55f * noise2(x, y, seed) + 0.3f * noise2(2.1f * x, 2.1f * y, seed + 1) + 0.15f * noise2(4.3f * x, 4.3f * y, seed + 2);
}
