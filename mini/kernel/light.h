// Light on a point: a soft key with shadow, sky and bounce, a rim from behind, highlights; and the camera's response.
#pragma once
#include "paint.h"

HD V3 normal_at(const Scene& s, V3 w) {  // gradient over a tetrahedron: four evaluations instead of six
  const float e = 0.0035f;
  V3 a = v3(e, -e, -e), b = v3(-e, -e, e), c = v3(-e, e, -e), d = v3(e);
  return unit(a * nearest(s, w + a).d + b * nearest(s, w + b).d + c * nearest(s, w + c).d + d * nearest(s, w + d).d);
}

HD float shadow(const Scene& s, V3 w, V3 n) {
  float t = 0.05f, open = 1.f, k = 2.2f / (0.12f + s.p.key_soft);
  V3 from = w + n * 0.015f;
  for (int i = 0; i < 14 && t < 2.6f; ++i) {
    float d = nearest(s, from + s.key * t).d;
    open = fminf(open, 0.5f + 0.5f * k * d / t);
    if (open < 0.02f) break;
    t += clampf(d, 0.05f, 0.35f);
  }
  open = sat(open);
  return open * open * (3.f - 2.f * open);
}

HD float occlusion(const Scene& s, V3 w, V3 n) {
  float sum = 0.f, weight = 1.f;
  for (int i = 1; i <= 4; ++i) {
    float h = 0.055f * i * (0.6f + 0.4f * i);
    sum += weight * fmaxf(h - nearest(s, w + n * h).d, 0.f);
    weight *= 0.62f;
  }
  return sat(1.f - 1.55f * sum);
}

// What the samples of one pixel share: shadow and occlusion change slowly and cost most.
struct Air { int part; float depth, open, ao; };

// Returns linear radiance; `shade` is the grey light alone, for the drawn looks.
HD V3 light(const Scene& s, V3 w, V3 view, V3 n, const Coat& c, const Air& air, float* shade) {
  const Person& p = s.p;
  V3 key = v3(p.key_r, p.key_g, p.key_b), fill = v3(p.fill_r, p.fill_g, p.fill_b), rim = v3(p.rim_r, p.rim_g, p.rim_b);
  float open = air.open, ao = air.ao;
  float nl = dot(n, s.key), wrap = 0.18f * c.soft + 0.25f * p.key_soft;
  V3 bleed = v3(wrap + 0.16f * c.soft, wrap + 0.03f * c.soft, wrap);  // red travels farthest in skin
  V3 diff = v3(sat((nl + bleed.x) / (1.f + bleed.x)), sat((nl + bleed.y) / (1.f + bleed.y)), sat((nl + bleed.z) / (1.f + bleed.z)));
  V3 shade3 = v3(open + (1.f - open) * 0.30f * c.soft, open + (1.f - open) * 0.20f * c.soft, open + (1.f - open) * 0.17f * c.soft);
  float sky = 0.62f + 0.38f * n.y;
  float front = 0.30f * sat(n.z);
  V3 bounce = fill * (ao * (sky + front));
  V3 half = unit(s.key + view);
  float spec = c.gloss * powf(sat(dot(n, half)), c.sharp) * open;
  float nh = 1.f;
  if (dot(c.along, c.along) > 0.25f) {  // strands: Kajiya and Kay 1989
    float th = dot(c.along, half);
    spec = c.gloss * powf(sqrtf(fmaxf(1.f - th * th, 0.f)), 26.f) * sat(nl * 1.4f + 0.25f) * open * 0.8f;
    nh = 0.85f + 0.15f * sqrtf(fmaxf(1.f - sq(dot(c.along, s.key)), 0.f));
  }
  V3 side = unit(v3(p.rim_x * 0.8f, 0.35f, -0.75f));
  float edge = powf(1.f - sat(dot(n, view)), 2.2f);
  float rim_k = sat(dot(n, side) + 0.35f) * edge * (0.4f + 0.6f * ao);
  V3 lit = c.colour * (key * diff * shade3 * (0.62f * nh) + bounce * 0.80f);
  V3 own = dot(c.along, c.along) > 0.25f ? mix(v3(1.f), c.colour * (1.f / fmaxf(fmaxf(c.colour.x, c.colour.y), fmaxf(c.colour.z, 0.05f))), 0.6f) : v3(1.f);
  V3 shine = key * own * (spec * 0.55f) + rim * rim_k * (v3(0.35f) + c.colour * 0.65f);
  shine = shine + fill * (c.gloss * 0.22f * powf(1.f - sat(dot(n, view)), 4.f) * ao);
  if (c.part == EYE || c.part == IRIS || c.part == LENS) {  // a window mirrored in the eye
    V3 r = n * (2.f * dot(n, view)) - view;
    V3 k = unit(s.key + v3(0.f, 0.25f, 0.6f));
    float a = dot(r, unit(cross(k, v3(0.f, 1.f, 0.f)))), b = r.y - k.y;
    float pane = step01(0.26f, 0.20f, fabsf(a)) * step01(0.26f, 0.20f, fabsf(b)) * (dot(r, k) > 0.f ? 1.f : 0.f);
    shine = shine + (key * 0.35f + fill * 0.5f) * pane * 1.1f;
  }
  *shade = sat(0.62f * (diff.y * open) + 0.45f * ao * (sky + front));
  return lit + shine;
}

HD float film(float x) {  // filmic curve (Hable 2010, refitted): soft toe and shoulder
  x = fmaxf(x, 0.f);
  return sat((x * (2.30f * x + 0.05f)) / (x * (2.18f * x + 0.72f) + 0.16f));
}
HD float display(float x) { return x <= 0.0031308f ? 12.92f * x : 1.055f * powf(x, 1.f / 2.4f) - 0.055f; }
