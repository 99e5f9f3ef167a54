// Hair of the head in fourteen cuts, beards' thickness, and the coordinates along which locks run.
#pragma once
#include "head.h"

enum Style { BALD, BUZZ, SHORT, MESSY, QUIFF, BOB, LONG, WAVY, CURLY, AFRO, PONYTAIL, BUN, TWINTAILS, BRAID };

// Locks run along lines of equal angle round the head; this is the wave across them, -1..1.
HD float locks(const Person& p, V3 q) {
  float a = atan2f(q.x - 0.12f * p.part, q.z + 0.25f), s = p.seed * 0.001f;
  float bendy = 0.35f * sinf(2.1f * q.y + s) + p.part * q.y * 0.4f;
  return 0.55f * sinf(13.f * (a + 0.25f * bendy) + s) + 0.3f * sinf(29.f * (a + 0.12f * bendy) + 2.f * sinf(1.7f * q.y) + 3.f * s) +
         0.15f * sinf(61.f * a + 5.f * sinf(2.3f * q.y + s));
}
HD float curls(V3 q, float f) { return sinf(f * q.x + 1.3f * sinf(0.6f * f * q.y)) * sinf(f * q.y + 1.1f * sinf(0.7f * f * q.z)) * sinf(f * q.z); }

// Negative where the hairline lets the face be seen.
HD float face_window(const Person& p, V3 q) {
  float top = 0.97f + p.hairline + 0.10f * p.temple * sat(fabsf(q.x) * 3.f - 0.3f) - 0.06f * p.peak * bell(q.x, 0.12f);
  float w = 0.60f;
  if (p.bangs > 0.5f) {
    float sweep = p.part > 0.f ? -1.f : 1.f;
    top = 0.765f + 0.10f * fabsf(p.part) * (sweep * q.x) * 2.f + 0.018f * locks(p, q);
    w = 0.60f;
  }
  return egg(q, v3(0.f, -0.40f, 1.02f), v3(w, top, 0.84f));
}

HD float hair_sdf(const Person& p, V3 q) {
  int style = (int)p.style;
  if (style == BALD) return 9.f;
  float s0 = skull_sdf(p, v3(q.x, q.y - 0.01f, q.z));
  if (s0 > 1.6f && style < BOB) return s0 - 0.6f;
  const float grow[14] = {0, 0.020f, 0.065f, 0.085f, 0.060f, 0.085f, 0.075f, 0.085f, 0.12f, 0.12f, 0.045f, 0.045f, 0.055f, 0.055f};
  float top = sat((q.y - 0.25f) / 0.7f), thick = grow[style] * (0.75f + 0.5f * p.hair_vol);
  if (style == SHORT || style == QUIFF || style == MESSY) thick *= 0.40f + 0.85f * top;
  float wave = locks(p, q);
  float d = s0 - thick;
  if (style == QUIFF) d = smin(d, egg(q, v3(0.10f * p.part, 0.98f * p.skull_h, 0.42f), v3(0.44f, 0.24f + 0.06f * p.hair_vol, 0.36f)), 0.16f);
  if (style == CURLY) d = smin(d, egg(q, v3(0.f, 0.22f, -0.18f), v3(0.86f + 0.1f * p.hair_vol, 0.98f, 0.96f)), 0.1f);
  if (style == AFRO) d = smin(d, egg(q, v3(0.f, 0.50f, -0.20f), v3(1.02f, 0.98f, 0.98f) * (0.95f + 0.16f * p.hair_vol)), 0.1f);
  float nape = -0.10f - 0.55f * sat((0.15f - q.z) / 0.7f);
  if (style == CURLY || style == AFRO) nape = -0.62f;
  if (style < BOB || style >= PONYTAIL) d = smax(d, nape - q.y, 0.05f);
  if (style == CURLY) d = smax(d, nape - q.y, 0.25f);
  if (style == AFRO) d = smax(d, nape + 0.25f - q.y, 0.3f);
  float lift = style == AFRO || style == CURLY ? 0.05f : 0.f;
  d = smax(d, -face_window(p, q) - lift, style == BUZZ ? 0.02f : 0.05f);
  if (style == BUZZ) return d + 0.004f;
  if (style >= BOB && style <= WAVY) {
    float w = style == WAVY ? 0.055f * sinf(6.5f * q.y + 2.f * sinf(2.f * q.x) + p.seed) : 0.f;
    float bottom = style == BOB ? -0.50f - 0.32f * p.hair_len : -1.35f - 0.9f * p.hair_len;
    V3 r = v3(q.x + w, q.y, q.z + 0.6f * w);
    float rx = 0.73f * p.skull_w + 0.06f + (style == BOB ? 0.12f : 0.10f) * sat(0.4f - q.y), rz = 0.86f * p.skull_d + 0.03f;
    float fall = (len(r.x / rx, (r.z + 0.16f) / rz) - 1.f) * 0.72f;
    fall = smax(fall, r.y - 0.42f, 0.3f);
    fall = smax(fall, bottom - q.y + 0.03f * wave, 0.12f);
    fall = smax(fall, r.z - 0.16f - 0.04f * wave, 0.10f);
    d = smin(d, fall, 0.10f);
    V3 a = v3(fabsf(r.x), r.y, r.z);  // a lock beside each cheek, before the shoulder
    float end = fmaxf(bottom + 0.05f, -2.1f);
    float lock = stick(a, v3(0.665f * p.skull_w, 0.22f, 0.14f), v3(0.70f * p.skull_w, -0.45f, 0.16f), 0.10f, 0.13f);
    lock = smin(lock, stick(a, v3(0.70f * p.skull_w, -0.45f, 0.16f), v3(0.64f, end, style == BOB ? 0.20f : 0.30f), 0.13f, style == BOB ? 0.09f : 0.06f), 0.06f);
    d = smin(d, lock, 0.09f);
  }
  if (style == PONYTAIL) {
    d = smin(d, ball(q, v3(0.f, 0.78f, -0.92f), 0.15f), 0.06f);
    d = smin(d, stick(q, v3(0.f, 0.85f, -1.05f), v3(0.86f * (p.part > 0 ? 1.f : -1.f), -0.8f, -0.50f), 0.21f, 0.12f), 0.08f);
    d = smin(d, stick(q, v3(0.f, 0.80f, -0.95f), v3(0.25f * (p.part > 0 ? 1.f : -1.f), 1.08f, -0.85f), 0.15f, 0.20f), 0.08f);
  }
  if (style == BUN) d = smin(d, egg(q, v3(0.f, 1.24f * p.skull_h, -0.28f), v3(0.30f, 0.25f, 0.29f) * (0.9f + 0.25f * p.hair_vol)), 0.04f);
  if (style == TWINTAILS || style == BRAID) {
    V3 a = style == TWINTAILS ? v3(fabsf(q.x), q.y, q.z) : v3(p.part > 0 ? q.x : -q.x, q.y, q.z);
    if (style == TWINTAILS) {
      d = smin(d, ball(a, v3(0.80f, 0.42f, -0.30f), 0.13f), 0.05f);
      d = smin(d, stick(a, v3(0.90f, 0.42f, -0.28f), v3(1.02f, -0.55f, -0.12f), 0.17f, 0.17f), 0.06f);
      d = smin(d, stick(a, v3(1.02f, -0.55f, -0.12f), v3(0.95f, -1.25f, 0.f), 0.17f, 0.05f), 0.10f);
    } else {
      float t = sat((-0.30f - q.y) / 1.3f);
      float beads = 0.16f - 0.05f * t + 0.025f * fabsf(sinf(9.f * q.y));
      d = smin(d, stick(a, v3(0.62f, -0.30f, -0.10f), v3(0.55f, -1.6f, 0.36f), beads, beads * 0.7f), 0.08f);
    }
  }
  if (d > 0.2f) return d - 0.05f;
  float rough = 0.016f + 0.008f * (style >= BOB);
  if (style == MESSY) return d - 0.035f * wave - 0.04f * curls(q, 7.f);
  if (style == CURLY) return d - 0.055f * curls(q, 9.f) - 0.02f * curls(q + v3(0.3f), 17.f);
  if (style == AFRO) return d - 0.035f * curls(q, 14.f) - 0.015f * curls(q + v3(0.7f), 29.f);
  return d - rough * wave;
}

// How much beard grows at a point of the face, 0..1; the kinds are those of tags.BEARDS.
HD float beard_mask(const Person& p, const Face& f, V3 q) {
  int kind = (int)p.beard;
  if (kind == 0 || q.z < -0.1f) return 0.f;
  float x = fabsf(q.x), line = mouth_line(p, f, q.x);
  float lips = lips_sdf(p, f, q);
  float off = step01(0.0f, 0.035f, lips);
  float lip_top = step01(p.nose_y - 0.05f, p.nose_y - 0.12f, q.y) * step01(line - 0.02f, line + 0.03f, q.y) * step01(f.mouth_w + 0.08f, f.mouth_w - 0.01f, x);
  float chin = step01(line + 0.02f, line - 0.09f, q.y) * step01(0.27f, 0.18f, x);
  float edge = -0.42f - 0.55f * (0.45f - x) * sat(1.f - x / 0.45f) + 0.30f * step01(0.42f, 0.60f, x);
  float jaw = step01(edge + 0.07f, edge - 0.04f, q.y) * step01(0.02f, 0.16f, q.z + 0.2f);
  float under = step01(-1.22f, -1.05f, q.y);
  float m = kind == 2 ? lip_top : kind == 3 ? fmaxf(chin, lip_top * 0.9f) : fmaxf(fmaxf(jaw, lip_top), chin);
  return m * off * under;
}
