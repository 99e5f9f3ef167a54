// Draws n people. One thread a pixel on CUDA, one loop on the CPU; four samples a pixel.
//
// Out, a picture after the other, a pixel after the other: rgb (display values, 0..1), albedo rgb (display), shade (grey light,
// 0..1), depth (world units, 30 = background), normal x, y (-1..1): CHANNELS floats; and the part with most samples, one byte.
// It knows nothing of looks: paper, ink and paint are laid over these buffers in looks.py.
#include "backdrop.h"

const int CHANNELS = 10;

// Depth at which something comes within a pixel of the middle ray, or a negative number: all samples start there.
HD float approach(const Scene& s, V3 from, V3 ray, float width) {
  float t = s.p.camera_d - 1.9f, end = s.p.camera_d + 2.2f;
  for (int i = 0; i < 64; ++i) {
    float d = nearest(s, from + ray * t).d;
    if (d < width) return t;
    t += fmaxf(d * 0.80f - 0.3f * width, 0.5f * width);
    if (t > end) return -1.f;
  }
  return t;
}

HD bool march(const Scene& s, V3 from, V3 ray, float t, Hit* hit, float* at) {
  float end = s.p.camera_d + 2.2f;
  for (int i = 0; i < 28; ++i) {
    *hit = nearest(s, from + ray * t);
    if (hit->d < 0.0012f * s.p.frame_h + 0.0008f) { *at = t; return true; }
    t += hit->d * 0.80f;
    if (t > end) return false;
  }
  *at = t;
  return hit->d < 0.03f;
}

HD void sample(const Scene& s, float u, float v, float start, Air& air, float* out, int* part) {
  const Person& p = s.p;
  V3 target = s.aim + s.right * u + s.up * v;
  V3 ray = unit(target - s.eye);
  Hit hit;
  float t;
  V3 col, alb;
  float shade = 1.f, depth = 30.f;
  V3 n = v3(0.f, 0.f, 1.f);
  if (start > 0.f && march(s, s.eye, ray, start, &hit, &t)) {
    V3 w = s.eye + ray * t;
    Coat coat;
    paint(s, w, hit.part, coat);
    n = normal_at(s, w);
    if (air.part != hit.part || fabsf(air.depth - t) > 0.05f) air = {hit.part, t, shadow(s, w, n), occlusion(s, w, n)};
    col = light(s, w, -ray, n, coat, air, &shade);
    alb = coat.colour;
    depth = p.camera_d - t;
    *part = coat.part;
  } else {
    col = alb = backdrop(p, target.x, target.y);
    *part = BACKGROUND;
  }
  float k = p.exposure * 0.90f;
  out[0] = display(film(col.x * k)); out[1] = display(film(col.y * k)); out[2] = display(film(col.z * k));
  out[3] = display(sat(alb.x)); out[4] = display(sat(alb.y)); out[5] = display(sat(alb.z));
  out[6] = shade; out[7] = depth; out[8] = dot(n, s.right); out[9] = dot(n, s.up);
}

HD void pixel(const Scene& s, int x, int y, int width, int height, float* out, uint8_t* part) {
  float sum[CHANNELS] = {0.f}, one[CHANNELS];
  int parts[4];
  float scale = 2.f * s.p.frame_h / height, mu = (x + 0.5f - 0.5f * width) * scale, mv = (0.5f * height - y - 0.5f) * scale;
  float start = approach(s, s.eye, unit(s.aim + s.right * mu + s.up * mv - s.eye), 0.8f * scale);
  Air air = {-1, 0.f, 1.f, 1.f};
  for (int k = 0; k < 4; ++k) {  // rotated grid
    float dx = (k & 1) ? 0.375f : -0.125f, dy = (k & 2) ? 0.125f : -0.375f;
    if (k == 2 || k == 3) dx -= 0.25f;
    if (k & 1) dy += 0.25f;
    sample(s, mu + dx * scale, mv - dy * scale, start, air, one, &parts[k]);
    for (int c = 0; c < CHANNELS; ++c) sum[c] += one[c];
  }
  for (int c = 0; c < CHANNELS; ++c) out[c] = sum[c] * 0.25f;
  int best = 0, most = 0;
  for (int k = 0; k < 4; ++k) {
    int same = 0;
    for (int j = 0; j < 4; ++j) same += parts[j] == parts[k];
    if (same > most) { most = same; best = parts[k]; }
  }
  *part = (uint8_t)best;
}

#ifdef __CUDACC__
__global__ void __launch_bounds__(128) draw_kernel(const Person* people, int width, int height, float* out, uint8_t* parts) {
  __shared__ Scene s;
  int n = blockIdx.z;
  if (threadIdx.x == 0 && threadIdx.y == 0) set_scene(people[n], s);
  __syncthreads();
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  size_t at = ((size_t)n * height + y) * width + x;
  pixel(s, x, y, width, height, out + at * CHANNELS, parts + at);
}

extern "C" int draw(const float* people, int n, int width, int height, float* out, uint8_t* parts, void* stream) {
  dim3 block(16, 8), grid((width + 15) / 16, (height + 7) / 8, n);
  draw_kernel<<<grid, block, 0, (cudaStream_t)stream>>>((const Person*)people, width, height, out, parts);
  return (int)cudaGetLastError();
}
#else
#include <atomic>
#include <thread>
#include <vector>

extern "C" int draw(const float* people, int n, int width, int height, float* out, uint8_t* parts, void*) {
  std::vector<Scene> scenes(n);
  for (int i = 0; i < n; ++i) set_scene(((const Person*)people)[i], scenes[i]);
  std::atomic<int> next{0};
  auto work = [&] {
    for (int row; (row = next++) < n * height;) {
      int i = row / height, y = row % height;
      for (int x = 0; x < width; ++x) {
        size_t at = ((size_t)i * height + y) * width + x;
        pixel(scenes[i], x, y, width, height, out + at * CHANNELS, parts + at);
      }
    }
  };
  unsigned cores = std::thread::hardware_concurrency();
  std::vector<std::thread> crew;
  for (unsigned k = 1; k < (cores ? cores : 1); ++k) crew.emplace_back(work);
  work();
  for (auto& t : crew) t.join();
  return 0;
}
#endif
