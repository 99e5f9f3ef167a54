// Neck, shoulders, clothes, hats, glasses, earrings, scarf and necklace.
#pragma once
#include "hair.h"

enum Cloth { TSHIRT, COLLARED, SUIT, HOODIE, SWEATER, TANK, OFF_SHOULDER };
enum Hat { NO_HAT, BEANIE, CAP, SUN_HAT };

// Body space: like head space, but turned only a third as far.
HD float neck_sdf(const Person& p, V3 b, V3 chin_root) {
  return stick(b, v3(0.f, -1.85f, -0.36f), chin_root, 0.40f * p.neck, 0.345f * p.neck);
}
HD float body_sdf(const Person& p, V3 b) {
  V3 a = v3(fabsf(b.x), b.y, b.z);
  float w = p.shoulder;
  float d = stick(a, v3(0.f, -1.88f, -0.36f), v3(0.90f * w, -2.02f, -0.36f), 0.30f, 0.275f);
  d = smin(d, egg(b, v3(0.f, -3.0f, -0.34f), v3(1.02f * w, 1.35f, 0.56f)), 0.25f);
  d = smin(d, stick(a, v3(0.98f * w, -2.10f, -0.36f), v3(1.22f * w, -3.5f, -0.25f), 0.255f, 0.22f), 0.14f);
  return smin(d, stick(a, v3(0.12f, -1.42f, -0.40f), v3(0.60f * w, -1.80f, -0.38f), 0.20f, 0.20f), 0.22f);  // trapezius
}

// Positive where the cloth is cut away at the neck.
HD float neckline(const Person& p, V3 b) {
  float n = p.neck;
  switch ((int)p.cloth) {
    case TSHIRT: return -egg(b, v3(0.f, -1.36f, -0.22f), v3(0.56f * n, 0.40f, 0.62f));
    case COLLARED: return -fmaxf(fabsf(b.x) - 0.16f - 0.30f * (b.y + 1.75f), -1.95f - b.y);
    case SUIT: return -9.f;
    case HOODIE: return -egg(b, v3(0.f, -1.40f, -0.16f), v3(0.50f * n, 0.36f, 0.60f));
    case SWEATER: return -9.f;
    case TANK: {
      float strap = fmaxf(fabsf(fabsf(b.x) - 0.62f * p.shoulder) - 0.12f, -2.f - b.y);
      return fminf(b.y + 2.16f, strap) ;
    }
    default: return b.y + 2.02f + 0.06f * b.x * b.x;
  }
}

HD float folds(const Person& p, V3 b) {
  float s = p.seed * 0.01f;
  return 0.016f * sinf(5.f * b.x + 3.f * b.y + 2.f * sinf(2.7f * b.y + s)) + 0.010f * sinf(9.f * b.x - 6.f * b.y + s);
}

HD float cloth_sdf(const Person& p, V3 b, float body, float neck) {
  int kind = (int)p.cloth;
  float thick = kind == HOODIE || kind == SWEATER ? 0.075f : kind == SUIT ? 0.06f : 0.035f;
  float all = kind == SWEATER || kind == SUIT || kind == HOODIE ? smin(body, neck, 0.16f) : body;
  float d = all - thick - folds(p, b) * (kind == SUIT ? 0.5f : 1.f);
  float cut = neckline(p, b);
  if (cut > -8.f) d = smax(d, cut, 0.03f);
  if (kind == SWEATER) {
    d = smax(d, b.y + 1.30f, 0.06f);
    d = smin(d, stick(b, v3(0.f, -1.55f, -0.34f), v3(0.f, -1.36f, -0.31f), 0.36f * p.neck + 0.075f, 0.35f * p.neck + 0.075f), 0.05f);
  }
  if (kind == SUIT || kind == COLLARED) {
    if (kind == SUIT) d = smax(d, b.y + 1.50f, 0.05f);
    V3 c = v3(b.x, b.y + 1.44f - 0.45f * (b.z + 0.3f), b.z + 0.34f);  // the collar stands and leans forward
    float R = 0.375f * p.neck + 0.03f - 0.14f * c.y;
    float wall = fmaxf(fabsf(len(c.x, c.z) - R) - 0.022f, fabsf(c.y + 0.02f) - 0.115f - 0.05f * sat(c.z * 2.f));
    float open = kind == SUIT && p.tie > 0.5f ? 0.02f : 0.10f;
    float slit = fmaxf(fabsf(c.x) - open + 0.5f * fminf(c.y, 0.1f), -c.z);
    d = smin(d, smax(wall - 0.012f, -slit, 0.02f), 0.03f);
  }
  if (kind == HOODIE) d = smin(d, ring(v3(b.x, b.y + 1.52f - 0.32f * b.z, b.z + 0.42f), v3(0.f), 0.50f * p.neck + 0.04f, 0.125f + 0.03f * sat(-b.z - 0.2f)), 0.10f);
  return d;
}

HD float scarf_sdf(const Person& p, V3 b) {
  if (p.scarf < 0.5f) return 9.f;
  V3 c = v3(b.x, b.y + 1.42f - 0.22f * b.z, b.z + 0.28f);
  float wob = 0.03f * sinf(7.f * atan2f(c.x, c.z) + p.seed);
  float d = smin(ring(c, v3(0.f, 0.02f + wob, 0.f), 0.46f, 0.135f), ring(c, v3(0.02f, -0.20f - wob, 0.03f), 0.50f, 0.13f), 0.04f);
  return smin(d, stick(b, v3(0.16f, -1.55f, 0.24f), v3(0.26f, -2.5f, 0.32f), 0.14f, 0.17f), 0.06f);
}
HD float necklace_sdf(const Person& p, V3 b, float skin) {
  if (p.necklace < 0.5f) return 9.f;
  float loop = fabsf(len(b.x * 1.15f, b.y + 1.45f) - 0.56f);
  float chain = len(fmaxf(loop, 0.f), skin - 0.012f) - 0.030f;
  if (b.z < -0.35f || b.y > -1.62f) chain = 9.f;
  return fminf(chain, ball(v3(b.x, b.y + 2.03f, skin), v3(0.f, 0.f, 0.02f), 0.085f));
}

HD float hat_sdf(const Person& p, V3 q) {
  int kind = (int)p.hat;
  if (kind == NO_HAT) return 9.f;
  float s0 = skull_sdf(p, v3(q.x, q.y - 0.02f, q.z));
  float grow = p.style >= CURLY && p.style <= AFRO ? 0.13f : 0.105f;
  V3 t = v3(q.x, q.y - 0.18f * q.z, q.z);  // brims sit higher in front
  if (kind == BEANIE) {
    float dome = smax(s0 - grow - 0.03f - 0.008f * sinf(42.f * atan2f(q.x, q.z)), 0.45f - (q.y - 0.06f * q.z), 0.03f);
    float rim = smax(fabsf(s0 - grow - 0.055f) - 0.03f, fabsf(q.y - 0.06f * q.z - 0.52f) - 0.11f, 0.03f);
    float bobble = ball(q, v3(0.f, 1.36f * p.skull_h, -0.14f), p.hat_b > p.hat_r ? 0.17f : 0.05f);
    return fminf(smin(dome, rim, 0.02f), bobble);
  }
  if (kind == CAP) {
    float dome = smax(s0 - grow - 0.045f, 0.50f - q.y, 0.03f);
    V3 v = v3(q.x, q.y - 0.56f + 0.16f * (q.z - 0.7f) + 0.22f * q.x * q.x, q.z - 0.72f);
    float visor = fmaxf(fabsf(v.y) - 0.018f, (len(v.x / 0.62f, v.z / 0.66f) - 1.f) * 0.6f) - 0.012f;
    return smin(dome, v.z > -0.35f ? visor : 9.f, 0.03f);
  }
  float crown = smax(s0 - grow - 0.05f, 0.54f - t.y, 0.04f);
  float r = len(q.x, q.z + 0.08f);
  float brim = fmaxf(fabsf(t.y - 0.57f + 0.05f * sinf(2.f * atan2f(q.x, q.z)) + 0.08f * sq(r - 0.9f)) - 0.018f, r - 1.48f) - 0.012f;
  return smin(crown, brim, 0.05f);
}

// Distance to the frame and, by reference, to the lens.
HD float glasses_sdf(const Person& p, const Face& f, V3 q, float* lens) {
  *lens = 9.f;
  int kind = (int)p.glasses;
  if (kind == 0) return 9.f;
  V3 a = v3(fabsf(q.x), q.y, q.z);
  float z = 0.885f - 0.22f * a.x * a.x;
  float x = a.x - f.eye.x - 0.012f, y = q.y - f.eye.y + 0.015f, flat;
  if (kind == 1) flat = len(x, y) - 0.222f;
  else {
    float rx = fmaxf(fabsf(x) - 0.175f, 0.f), ry = fmaxf(fabsf(y) - 0.105f - (kind == 3 ? 0.02f * x : 0.f), 0.f);
    flat = len(rx, ry) - (kind == 3 ? 0.085f : 0.055f);
  }
  float wire = kind == 3 ? 0.018f : 0.009f;
  float d = len(flat, q.z - z) - wire;
  *lens = fmaxf(flat, fabsf(q.z - z) - 0.006f);
  float edge = f.eye.x + 0.23f;
  d = fminf(d, len(len(fmaxf(a.x - (f.eye.x - 0.20f), 0.f), q.y - f.eye.y - 0.03f), q.z - 0.90f) - (kind == 3 ? 0.018f : 0.010f));  // bridge
  d = fminf(d, stick(a, v3(edge, f.eye.y + 0.04f, 0.83f), v3(0.76f * p.skull_w, f.eye.y + 0.05f, -0.02f), 0.008f, 0.014f));
  return d;
}

HD float earring_sdf(const Person& p, V3 q) {
  if (p.earring < 0.5f) return 9.f;
  V3 a = v3(fabsf(q.x), q.y, q.z) - v3(0.745f * p.skull_w + 0.03f, -0.26f * p.ear, -0.02f);
  if (p.earring < 1.5f) return len(a) - 0.092f;
  return len(len(a.z, a.y + 0.13f) - 0.140f, a.x) - 0.042f;
}
