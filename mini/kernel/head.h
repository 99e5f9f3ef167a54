// The sitter's head: skull, jaw, features, eyes, lids, mouth, ears, neck. Signed distances in head space.
// It knows nothing of hair, clothes or colour.
#pragma once
#include "person.h"
#include "vec.h"

// What several functions need and none should compute twice; made once a picture.
struct Face {
  V3 eye;          // centre of the eyeball on the picture's right; the other is its mirror
  float lid_r;     // radius of the lids' sphere
  float drop;      // how far the jaw has fallen
  float mouth_z;   // depth of the lips' line at the middle
  float mouth_w;   // half width, smile included
  float nose_z;    // depth of the nose's tip
};

HD Face face_of(const Person& p) {
  Face f;
  f.eye = v3(p.eye_x, p.eye_y, 0.575f + 0.02f * (1.f - p.socket));
  f.lid_r = p.eye_r + 0.022f;
  f.drop = 0.13f * fmaxf(p.open, 0.f);
  f.mouth_z = 0.745f + 0.02f * p.chin_p;
  f.mouth_w = p.mouth_w * (1.f + 0.15f * fmaxf(p.smile, 0.f) - 0.22f * sat(p.raise) * sat(p.open));
  f.nose_z = 1.0f + p.nose_out;
  return f;
}

// The lips' middle line at x: height, and depth behind the middle.
HD float mouth_line(const Person& p, const Face& f, float x) {
  float u = clampf(x / f.mouth_w, -1.15f, 1.15f);
  return p.mouth_y * p.face_l + 0.075f * p.smile * u * u + p.bend_mouth * 0.5f * u - f.drop * 0.30f;
}
HD float mouth_depth(const Face& f, float x) { return f.mouth_z - 0.95f * x * x; }
HD float mouth_gap(const Person& p, const Face& f, float x) {  // half of the opening's height at x
  float u = x / f.mouth_w;
  return fmaxf(p.open, 0.f) * 0.105f * fmaxf(1.f - u * u, 0.f);
}

// Opening between the lids in the eye's own plane; negative inside. x grows outward.
HD float lid_gap(const Person& p, float x, float y) {
  float u = x / p.eye_w;
  float arch = 1.f - u * u;
  float skew = p.eye_tilt * x + 0.05f * p.sad * -x;
  float up = p.eye_h * p.eye_open * (arch - 0.15f * u * arch) - p.anger * 0.026f * (0.1f - x) * 2.f;
  float low = -(p.eye_h * (0.62f * fminf(p.eye_open, 1.f) - 0.22f * sat(p.smile)) + 0.004f) * arch - (p.eye_open < 0.3f ? 0.03f * arch : 0.f);
  return fmaxf(y - skew - up, low + skew - y);
}

HD float brow_line(const Person& p, float x, float side) {  // height of the brow's middle; x grows outward
  float t = (x - p.brow_in) / p.brow_len;
  float y = p.brow_y + p.eye_y + p.brow_arch * (4.f * t * (1.f - t)) * (0.6f + 0.6f * t) + p.brow_tilt * (x - 0.3f) - 0.05f * t * t;
  y += 0.070f * p.raise - p.anger * 0.060f * (1.f - t) + p.sad * 0.06f * (1.f - t) - 0.02f * p.sad + side * p.bend_brow;
  return y;
}

HD float skull_sdf(const Person& p, V3 q) {
  return egg(q, v3(0.f, 0.30f, -0.10f), v3(0.73f * p.skull_w, 0.82f * p.skull_h, 0.90f * p.skull_d));
}

// Bones and flesh without features.
HD float mask_sdf(const Person& p, const Face& f, V3 q) {
  V3 a = v3(fabsf(q.x), q.y, q.z);
  float L = p.face_l, drop = f.drop;
  float d = skull_sdf(p, q);
  d = smin(d, egg(q, v3(0.f, -0.20f * L, 0.10f), v3(0.595f * p.face_w, 0.76f * L, 0.66f)), 0.16f);
  d = smin(d, egg(q, v3(0.f, -0.56f * L - drop * 0.6f, 0.14f), v3(0.47f * p.jaw_w, 0.42f * L, 0.55f)), 0.16f);
  d = smin(d, ball(a, v3(0.40f * p.jaw_w, -0.56f * L - drop * 0.5f, 0.08f), 0.10f + 0.10f * p.jaw_sq), 0.22f);
  d = smin(d, egg(q, v3(0.f, -0.905f * L - p.chin_l - drop, 0.54f + p.chin_p), v3(0.20f * p.chin_w, 0.15f + 0.5f * fmaxf(p.chin_l, 0.f), 0.155f)), 0.20f);
  d = smin(d, ball(a, v3(0.40f * p.face_w, -0.10f, 0.46f), 0.15f + 0.075f * p.cheekbone), 0.22f);
  float lift = 0.06f * fmaxf(p.smile, 0.f);
  d = smin(d, ball(a, v3(0.33f * p.face_w, -0.38f * L + lift, 0.47f + 0.03f * lift), 0.13f + 0.12f * p.cheekfat + 0.25f * lift), 0.24f);
  return d;
}

HD float nose_sdf(const Person& p, const Face& f, V3 q) {
  q.x -= p.bend_nose * sat((p.eye_y - q.y) * 2.2f);
  V3 a = v3(fabsf(q.x), q.y, q.z);
  float y = p.nose_y, up = p.nose_up;
  V3 root = v3(0.f, p.eye_y + 0.10f, 0.715f + p.bridge_h), tip = v3(0.f, y + up, f.nose_z - p.nose_tip);
  V3 mid = (root + tip) * 0.5f + v3(0.f, 0.f, p.nose_bump);
  float d = smin(stick(q, root, mid, p.bridge_w * 0.9f, p.bridge_w), stick(q, mid, tip, p.bridge_w, p.nose_tip * 0.8f), 0.05f);
  d = smin(d, ball(q, tip, p.nose_tip), 0.05f);
  d = smin(d, egg(a, v3(p.nose_w, y - 0.012f, 0.80f + 0.35f * p.nose_out), v3(0.058f + 0.12f * p.nose_w, 0.062f, 0.095f)), 0.06f);
  d = smin(d, stick(q, v3(0.f, y - 0.03f + 0.6f * up, f.nose_z - 0.10f), v3(0.f, y - 0.06f, 0.76f), 0.045f, 0.05f), 0.05f);
  float hole = egg(a, v3(0.030f + 0.42f * p.nose_w, y - 0.078f + 0.4f * up, 0.865f + 0.6f * p.nose_out), v3(0.034f, 0.030f, 0.055f));
  return smax(d, -hole, 0.03f);
}

HD float lips_sdf(const Person& p, const Face& f, V3 q) {
  float u = clampf(q.x / f.mouth_w, -1.f, 1.f), taper = sqrtf(fmaxf(1.f - u * u, 0.f)) + 0.06f;
  float line = mouth_line(p, f, q.x), z = mouth_depth(f, q.x), gap = mouth_gap(p, f, q.x);
  float over = fmaxf(fabsf(q.x) - f.mouth_w, 0.f);
  float ru = 0.046f * p.lip_up * taper, rl = 0.055f * p.lip_lo * taper;
  float cupid = 0.02f * p.bow * bell(u, 0.16f);
  float du = len(len(over, q.y - line - gap * 0.7f - ru * 0.72f + cupid), (q.z - z + 0.010f) * 0.8f) - ru;
  float dl = len(len(over, q.y - line + gap * 1.15f + rl * 0.74f), (q.z - z + 0.012f + 0.02f * gap) * 0.8f) - rl;
  return smin(du, dl, 0.012f);
}

HD float cavity_sdf(const Person& p, const Face& f, V3 q) {  // the open mouth, to be taken away
  float line = mouth_line(p, f, q.x) - 0.22f * mouth_gap(p, f, q.x);
  float gap = mouth_gap(p, f, q.x) * 0.93f;
  return fmaxf(fmaxf(fabsf(q.y - line) - gap, fabsf(q.x) - f.mouth_w * 0.97f), 0.45f - q.z) * 0.8f;
}
HD float teeth_sdf(const Person& p, const Face& f, V3 q) {
  float line = mouth_line(p, f, 0.f), gap = mouth_gap(p, f, 0.f);
  float upper = len(q.x, (q.z - f.mouth_z + 0.345f)) - 0.295f;  // an upright cylinder's front
  float row = fabsf(q.y - line - gap * 0.55f - 0.03f) - 0.085f;
  return fmaxf(upper, row);
}

HD float ear_sdf(const Person& p, V3 q) {
  V3 a = v3(fabsf(q.x), q.y, q.z) - v3(0.695f * p.skull_w, -0.02f, -0.10f);
  float turn = 0.25f + 0.55f * p.ear_out, c = cosf(turn), s = sinf(turn);
  V3 e = v3(c * a.x + s * a.z, a.y - 0.15f * a.z, -s * a.x + c * a.z);  // swing the ear away from the head
  e.z += 0.07f;
  float d = egg(e, v3(0.02f, 0.f, 0.f), v3(0.05f, 0.195f, 0.125f) * p.ear);
  return smax(d, -egg(e, v3(0.075f, 0.02f, 0.015f), v3(0.055f, 0.12f, 0.07f) * p.ear), 0.03f);
}

// Skin of the head with holes for eyes and mouth.
HD float skin_sdf(const Person& p, const Face& f, V3 q) {
  float d = mask_sdf(p, f, q);
  float wide = fminf(d, fabsf(q.x) > 0.4f ? ear_sdf(p, q) : 9.f);
  if (wide > 0.42f || q.z < 0.1f) return fabsf(q.x) > 0.4f ? smin(d, ear_sdf(p, q), 0.04f) : d;
  V3 a = v3(fabsf(q.x), q.y, q.z);
  d = smin(d, egg(q, v3(0.f, p.mouth_y * p.face_l - f.drop * 0.3f, 0.50f), v3(0.29f, 0.25f, 0.235f)), 0.15f);  // muzzle
  float ridge_y = p.eye_y + 0.185f;
  d = smin(d, stick(a, v3(0.08f, ridge_y, 0.70f), v3(0.44f, ridge_y + 0.01f, 0.56f), 0.045f + 0.06f * p.ridge, 0.04f + 0.045f * p.ridge), 0.13f);
  V3 e = f.eye;
  d = smax(d, -egg(a, v3(e.x, e.y + 0.01f, e.z + 0.28f), v3(0.21f, 0.13f + 0.02f * p.socket, 0.15f + 0.06f * p.socket)), 0.12f);
  d = smin(d, nose_sdf(p, f, q), 0.055f);
  d = smax(d, -ball(a, e, f.lid_r - 0.012f), 0.03f);
  float lid = ball(a, e, f.lid_r);
  float gap = lid_gap(p, a.x - e.x, a.y - e.y);
  if (a.z > e.z - 0.05f) lid = smax(lid, -gap, 0.012f);
  float crease = bell(gap - 0.030f - 0.03f * p.lid_fold, 0.014f) * (a.y > e.y ? 0.008f : 0.003f);
  d = smin(d, lid + crease, 0.035f);
  // Fold from the nose's wing to the mouth's corner, forehead lines, crow's feet.
  float fold_x = p.nose_w + 0.075f + (p.nose_y - q.y) * 0.28f + 0.03f * p.smile;
  float fold = bell(a.x - fold_x, 0.022f) * step01(p.nose_y + 0.02f, p.nose_y - 0.10f, q.y) * step01(p.mouth_y - 0.16f, p.mouth_y + 0.02f, q.y);
  d += fold * (0.016f * p.wrinkle + 0.008f * sat(p.smile));
  if (p.wrinkle > 0.3f || p.raise > 0.4f) {
    float fore = step01(0.36f, 0.42f, q.y) * step01(0.72f, 0.60f, q.y) * step01(0.55f, 0.35f, a.x);
    d += fore * (0.006f * p.wrinkle + 0.004f * sat(p.raise)) * sq(sinf(30.f * q.y + 1.5f * sinf(4.f * q.x + p.id_seed)));
  }
  d += 0.010f * p.anger * bell(a.x - 0.045f, 0.014f) * bell(q.y - p.eye_y - 0.20f, 0.07f);
  d = smin(d, lips_sdf(p, f, q), 0.016f);
  if (p.open > 0.03f) d = smax(d, -cavity_sdf(p, f, q), 0.02f);
  return smin(d, fabsf(q.x) > 0.4f ? ear_sdf(p, q) : 9.f, 0.04f);
}
