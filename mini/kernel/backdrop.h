// What lies behind the sitter, as a function of the picture's plane: studio paper, room, forest, beach, street, night, snow, books.
#pragma once
#include "light.h"

// Discs of light, as a lens out of focus draws lamps.
HD float bokeh(float x, float y, float cell, float radius, int seed, float* hue) {
  float best = 0.f;
  int ci = (int)floorf(x / cell), cj = (int)floorf(y / cell);
  for (int j = cj - 1; j <= cj + 1; ++j)
    for (int i = ci - 1; i <= ci + 1; ++i) {
      if (hash1(i, j, seed) > 0.62f) continue;
      float cx = (i + hash1(i, j, seed + 1)) * cell, cy = (j + hash1(i, j, seed + 2)) * cell;
      float r = radius * (0.5f + hash1(i, j, seed + 3)), d = len(x - cx, y - cy);
      float v = step01(r, r * 0.86f, d) * (0.5f + 0.5f * d / r) * (0.35f + 0.65f * hash1(i, j, seed + 5));
      if (v > best) { best = v; *hue = hash1(i, j, seed + 4); }
    }
  return best;
}
HD V3 hue_colour(float h) { return v3(0.55f + 0.45f * cosf(6.283f * h), 0.55f + 0.45f * cosf(6.283f * (h - 0.33f)), 0.55f + 0.45f * cosf(6.283f * (h - 0.67f))); }

// x, y: world units in the plane of the sitter.
HD V3 backdrop(const Person& p, float x, float y) {
  int kind = (int)p.back, seed = (int)p.back_seed;
  V3 tint = v3(p.back_r, p.back_g, p.back_b), key = v3(p.key_r, p.key_g, p.key_b), fill = v3(p.fill_r, p.fill_g, p.fill_b);
  V3 air = key * 0.28f + fill * 0.45f;
  float soft = 0.03f + 0.16f * p.blur, hue = 0.f, u = (hash1(seed, 1, 1) - 0.5f) * 6.f, v = hash1(seed, 2, 2) * 3.f;
  switch (kind) {
    case 0: return tint * (0.95f - 0.05f * len(x, y)) * (air * 0.5f + v3(0.5f));
    case 1: {
      float glow = bell(len(x + 0.5f * p.key_x, y - 0.3f), 2.1f);
      return tint * (0.18f + 1.05f * glow) * (air * 0.5f + v3(0.5f));
    }
    case 2: {  // a room: wall, window, lamp
      V3 wall = mix(tint, v3(0.50f, 0.43f, 0.35f), 0.6f) * (0.55f + 0.10f * cloud2(x, y, seed));
      float wx = x - (u > 0.f ? 1.15f : -1.15f) - 0.1f * u, wy = y - 0.45f;
      float pane = step01(0.62f + soft, 0.62f - soft, fabsf(wx)) * step01(1.0f + soft, 1.0f - soft, fabsf(wy));
      float bars = fmaxf(step01(0.05f + soft, 0.03f, fabsf(wx)), step01(0.05f + soft, 0.03f, fabsf(wy)));
      V3 sky = mix(v3(0.85f, 0.92f, 1.f), v3(0.6f, 0.8f, 0.6f), step01(0.f, -0.9f, wy));
      V3 c = mix(wall, sky * 1.15f, pane * (1.f - 0.75f * bars));
      float lamp = bell(len(x + (u > 0.f ? 1.3f : -1.3f), y - 0.2f), 0.35f + soft);
      c = c + v3(0.85f, 0.55f, 0.25f) * lamp * 0.7f;
      return mix(c, v3(0.20f, 0.12f, 0.07f), step01(-1.2f + soft, -1.3f - soft, y)) * (air * 0.45f + v3(0.5f));
    }
    case 3: {  // forest
      float leaf = cloud2(x * (3.2f - 2.f * p.blur) + u, y * (3.2f - 2.f * p.blur) + v, seed);
      V3 c = mix(v3(0.018f, 0.06f, 0.014f), v3(0.20f, 0.40f, 0.07f), step01(0.25f, 0.75f, leaf));
      float trunk = step01(0.13f + soft, 0.10f, fabsf(fractf(x * 0.55f + 0.3f * u) - 0.5f) * 1.8f + 0.05f * noise2(y * 2.f, 1.f, seed));
      c = mix(c, v3(0.085f, 0.05f, 0.03f), 0.75f * trunk);
      float dots = bokeh(x + u, y, 0.42f, 0.05f + 0.13f * p.blur, seed, &hue);
      c = c + v3(0.75f, 0.80f, 0.35f) * dots * 0.45f * step01(-0.6f, 0.7f, y);
      return c * (air * 0.9f + v3(0.3f));
    }
    case 4: {  // beach
      float edge = 0.16f + 0.2f * (v - 1.5f) * 0.3f;
      V3 sky = mix(v3(0.72f, 0.84f, 0.95f), v3(0.20f, 0.45f, 0.85f), sat((y - edge) * 0.6f));
      sky = sky + v3(0.35f) * step01(0.52f, 0.75f, cloud2(x * 0.8f + u, y * 1.7f, seed));
      V3 sea = mix(v3(0.05f, 0.25f, 0.36f), v3(0.12f, 0.45f, 0.50f), cloud2(x * 1.5f, y * 14.f, seed));
      V3 sand = v3(0.62f, 0.47f, 0.29f) * (0.9f + 0.2f * cloud2(x * 8.f, y * 12.f, seed));
      V3 c = mix(sea, sky, step01(edge - soft, edge + soft, y));
      float shore = edge - 0.62f + 0.08f * sinf(2.f * x + u);
      c = mix(c, v3(0.85f), bell(y - shore, 0.05f + 0.4f * soft) * 0.7f);
      return mix(c, sand, step01(shore + soft, shore - soft, y)) * (air * 0.55f + v3(0.45f));
    }
    case 5: {  // street
      V3 c = mix(v3(0.60f, 0.68f, 0.78f), v3(0.75f, 0.78f, 0.80f), sat(0.5f - y));
      for (int layer = 0; layer < 3; ++layer) {
        float w = 0.55f + 0.3f * layer, i = floorf((x + u) / w), fx = fractf((x + u) / w);
        float h = 0.35f + 1.3f * hash1((int)i, layer, seed) - 0.25f * layer;
        float wall = step01(h + soft, h - soft, y) * step01(0.f, 0.05f + soft, fx) * step01(1.f, 0.95f - soft, fx);
        V3 stone = mix(v3(0.34f, 0.33f, 0.36f), mix(v3(0.42f, 0.27f, 0.20f), tint, 0.35f), hash1((int)i, layer + 7, seed)) * (0.95f - 0.22f * layer);
        float win = step01(0.25f, 0.25f + 0.2f + soft, fabsf(fractf(fx * 3.f) - 0.5f) * 2.f) * step01(0.3f, 0.6f + soft, fabsf(fractf(y * 3.4f) - 0.5f) * 2.f);
        c = mix(c, mix(v3(0.10f, 0.12f, 0.16f), stone, 0.45f + 0.55f * win), wall);
      }
      c = mix(c, v3(0.17f, 0.17f, 0.18f), step01(-1.0f, -1.3f - soft, y));
      return c * (air * 0.6f + v3(0.4f));
    }
    case 6: {  // night with lamps
      V3 c = mix(v3(0.006f, 0.008f, 0.022f), v3(0.035f, 0.022f, 0.055f), sat(0.5f - 0.4f * y));
      float one = bokeh(x + u, y, 0.55f, 0.07f + 0.15f * p.blur, seed, &hue);
      c = c + (hue < 0.45f ? v3(0.95f, 0.60f, 0.22f) : hue_colour(hue)) * one * 0.85f;
      float two = bokeh(x * 1.3f, y + v, 0.8f, 0.12f + 0.22f * p.blur, seed + 9, &hue);
      return c + hue_colour(hue * 2.f) * two * 0.35f;
    }
    case 7: {  // snow
      V3 c = mix(v3(0.72f, 0.77f, 0.84f), v3(0.50f, 0.58f, 0.68f), sat(0.35f + 0.4f * y));
      float tree = fabsf(fractf(x * 0.45f + u) - 0.5f) * 2.2f, top = 0.9f * hash1((int)floorf(x * 0.45f + u), 3, seed) + 0.2f;
      float fir = step01(soft, -soft, tree - 0.42f * sat(top - y) * (0.8f + 0.2f * fractf(-y * 3.f)));
      c = mix(c, mix(v3(0.10f, 0.16f, 0.15f), v3(0.7f, 0.75f, 0.8f), 0.35f * fractf(y * 3.f)), 0.85f * fir);
      c = mix(c, v3(0.86f, 0.88f, 0.92f), step01(-0.75f + soft, -0.9f - soft, y + 0.08f * sinf(1.3f * x + u)));
      float flakes = bokeh(x, y + u, 0.30f, 0.022f + 0.03f * p.blur, seed, &hue);
      return (c + v3(0.6f) * flakes) * (air * 0.35f + v3(0.6f));
    }
    default: {  // shelves of books
      float row = floorf(y / 0.52f), fy = fractf(y / 0.52f), fx = (x + hash1((int)row, 1, seed)) / 0.13f, i = floorf(fx), gx = fractf(fx);
      float h = 0.62f + 0.28f * hash1((int)i, (int)row, seed);
      V3 spine = hue_colour(hash1((int)i, (int)row, seed + 3)) * hue_colour(0.05f + 0.2f * hash1((int)i, (int)row, seed + 5)) * 0.30f;
      spine = mix(spine, v3(0.10f, 0.075f, 0.055f), 0.55f);
      spine = spine * (0.55f + 0.45f * sinf(3.14f * gx));
      V3 c = mix(spine, v3(0.035f, 0.02f, 0.012f), step01(h - soft, h + soft, fy));
      c = mix(c, v3(0.20f, 0.11f, 0.055f), step01(0.07f + 0.3f * soft, 0.05f, fy));
      if (p.blur > 0.5f) c = mix(c, v3(0.11f, 0.065f, 0.045f), 0.4f);
      return c * (air * 0.8f + v3(0.3f));
    }
  }
}
