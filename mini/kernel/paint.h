// Colour of a point of the scene: skin with its marks, eyes, brows, lips, hair, cloth. Linear RGB.
#pragma once
#include "scene.h"

struct Coat {
  V3 colour;
  int part;
  float gloss;    // strength of the highlight
  float sharp;    // its exponent
  float soft;     // light that wanders under the surface, 0..1
  V3 along;       // direction of strands (hair), or zero
};

HD V3 skin_colour(const Person& p) { return v3(p.skin_r, p.skin_g, p.skin_b); }
HD V3 hair_colour(const Person& p) { return v3(p.hair_r, p.hair_g, p.hair_b); }

HD float spot_at(float x, float y, float r) { return r > 0.f ? step01(r, r * 0.7f, len(x, y)) : 0.f; }

HD void paint_eye(const Scene& s, V3 q, Coat& c) {
  const Person& p = s.p;
  float side = q.x > 0.f ? 1.f : -1.f;
  V3 n = unit(v3(fabsf(q.x), q.y, q.z) - s.f.eye);
  V3 look = unit(v3(side * p.gaze_x * 0.9f + 0.03f, p.gaze_y, 1.f));
  float away = len(n - look) * p.eye_r, r = p.iris;
  c.part = EYE; c.gloss = 0.9f; c.sharp = 220.f; c.soft = 0.2f;
  V3 white = v3(0.80f, 0.77f, 0.75f) * (0.72f + 0.28f * sat(n.z));
  V3 iris = v3(p.iris_r, p.iris_g, p.iris_b);
  float a = atan2f(n.y - look.y, n.x - look.x), t = away / r;
  iris = iris * (0.75f + 0.55f * noise2(a * 6.f, 2.f, 5) ) * (0.65f + 0.75f * t * (n.y < look.y ? 1.15f : 0.75f));
  iris = iris * step01(1.02f, 0.80f, t) + v3(0.01f) * (1.f - step01(1.02f, 0.80f, t));
  V3 inner = mix(v3(0.004f), iris, step01(0.40f, 0.48f, t));
  float edge = step01(r * 1.06f, r * 0.96f, away);
  c.colour = mix(white, inner, edge);
  if (edge > 0.5f) c.part = IRIS;
  // Shade of the upper lid and lashes on the ball.
  float gap = lid_gap(p, fabsf(q.x) - s.f.eye.x, q.y - s.f.eye.y);
  c.colour = c.colour * (0.35f + 0.65f * step01(0.0f, -0.045f, gap + (q.y < s.f.eye.y ? -0.04f : 0.f)));
}

HD void paint_skin(const Scene& s, V3 q, Coat& c) {
  const Person& p = s.p;
  V3 tone = skin_colour(p), hair = hair_colour(p);
  float dark = 1.f - sat((tone.x - 0.10f) / 0.5f);
  float ax = fabsf(q.x), side = q.x > 0.f ? 1.f : -1.f;
  c.part = SKIN; c.gloss = 0.16f + 0.14f * dark; c.sharp = 18.f; c.soft = 1.f;
  V3 rosy = tone * v3(1.02f, 0.70f, 0.68f);
  float mottle = 0.94f + 0.12f * cloud2(q.x * 7.f, q.y * 7.f, (int)p.id_seed);
  V3 col = tone * mottle;
  if (q.y > -1.3f && q.z > -0.2f) {
    float cheek = bell(len(ax - 0.38f * p.face_w, q.y + 0.26f), 0.17f) + 0.6f * bell(len(q.x, q.y - p.nose_y), 0.10f);
    col = mix(col, rosy, 0.65f * p.blush * sat(cheek));
    col = mix(col, rosy, ax > 0.66f ? 0.35f : 0.f);
    float ex = ax - s.f.eye.x, ey = q.y - s.f.eye.y, gap = lid_gap(p, ex, ey);
    if (q.z > 0.3f) {
      col = mix(col, tone * v3(0.72f, 0.60f, 0.58f), 0.55f * step01(0.10f, 0.0f, gap) * (0.5f + 0.5f * p.socket) );          // lids
      col = col * (1.f - 0.22f * p.wrinkle * bell(ey + 0.13f, 0.05f) * bell(ex, 0.14f));                                      // bags
      // Freckles and moles: cells of a grid, each with one spot.
      if (p.freckles > 0.f) {
        float gx = q.x * 15.f, gy = q.y * 15.f;
        int i = (int)floorf(gx), j = (int)floorf(gy), n = (int)p.id_seed;
        float fx = gx - i - 0.25f - 0.5f * hash1(i, j, n), fy = gy - j - 0.25f - 0.5f * hash1(i, j, n + 1);
        float where = bell(len(ax * 0.75f - 0.18f, q.y + 0.15f), 0.30f);
        if (hash1(i, j, n + 2) < 0.85f * p.freckles && where > 0.25f) {
          float spot = step01(0.36f, 0.20f, len(fx, fy)) * sat(where * 2.2f);
          col = mix(col, tone * v3(0.42f, 0.24f, 0.17f), 0.92f * spot);
          if (spot > 0.4f) c.part = FRECKLE;
        }
      }
      float mole = spot_at(q.x - p.mole_x * p.face_w, q.y - p.mole_y, p.mole_r) + spot_at(q.x - p.mole2_x * p.face_w, q.y - p.mole2_y, p.mole2_r);
      col = mix(col, tone * v3(0.22f, 0.15f, 0.12f), 0.9f * sat(mole));
      // Lips.
      float lips = lips_sdf(p, s.f, q), red = step01(0.012f, -0.004f, lips);
      V3 lip = mix(tone * v3(0.82f, 0.50f, 0.48f), v3(0.50f, 0.16f, 0.16f) * (0.35f + 0.65f * sat(tone.x * 1.4f)), 0.1f + 0.4f * p.lip_red);
      if (p.lipstick > 0.5f) lip = v3(p.lip_r, p.lip_g, p.lip_b);
      float line = mouth_line(p, s.f, q.x);
      float seam = p.open < 0.05f ? bell(q.y - line, 0.011f) * step01(s.f.mouth_w * 1.12f, s.f.mouth_w * 0.95f, ax) : 0.f;
      col = mix(col, lip * (0.93f + 0.12f * sinf(90.f * q.x)), red);
      if (red > 0.5f) { c.part = LIPS; c.gloss = p.lipstick > 0.5f ? 0.55f : 0.28f; c.sharp = 45.f; }
      col = col * (1.f - 0.72f * seam);
      if (p.open > 0.03f && cavity_sdf(p, s.f, q) < 0.012f && q.z < mouth_depth(s.f, q.x) - 0.035f) {
        float tongue = q.y < line - 0.3f * mouth_gap(p, s.f, 0.f) ? 1.f : 0.f;
        col = mix(v3(0.055f, 0.012f, 0.012f), v3(0.30f, 0.07f, 0.07f), tongue);
        c.part = MOUTH;
      }
      // Brows: strands along the arch.
      float t = (ax - p.brow_in) / p.brow_len, yb = brow_line(p, ax, side);
      if (t > -0.12f && t < 1.1f) {
        float thick = p.brow_th * (0.55f + 0.75f * step01(-0.1f, 0.3f, t) ) * (1.f - 0.72f * step01(0.45f, 1.05f, t));
        float strand = 0.75f + 0.45f * noise2(q.x * 55.f + 18.f * q.y, q.y * 16.f, 3);
        float brow = step01(thick, thick * 0.45f, fabsf(q.y - yb)) * step01(-0.1f, 0.02f, t) * step01(1.08f, 0.95f, t) * strand;
        V3 ink = hair * 0.62f * (hair.x > 0.2f ? 0.55f : 1.f) + v3(0.008f);
        col = mix(col, ink, sat(brow * 1.15f) * p.brow_dark);
        if (brow > 0.45f) c.part = BROW;
      }
      // Lashes and the line of the lid.
      float upper = step01(-0.012f, 0.02f, ey - p.eye_tilt * ex) + (p.eye_open < 0.3f ? 1.f : 0.f);
      float lash_w = 0.012f + 0.012f * p.lash, lash = step01(lash_w, lash_w * 0.4f, fabsf(gap - 0.003f)) * sat(upper) * step01(p.eye_w + 0.05f * p.lash + 0.005f, p.eye_w - 0.01f, fabsf(ex));
      float wing = p.lash * step01(0.016f, 0.006f, fabsf(ey - p.eye_tilt * ex - 0.5f * (ex - p.eye_w))) * step01(p.eye_w - 0.02f, p.eye_w, ex) * step01(p.eye_w + 0.06f, p.eye_w + 0.03f, ex);
      lash = fmaxf(lash * (0.55f + 0.45f * p.lash), wing * 0.9f) * step01(0.09f, 0.06f, gap);
      col = mix(col, v3(0.012f, 0.008f, 0.007f), sat(lash));
      if (lash > 0.6f) c.part = LASH;
      float low = step01(0.012f, 0.003f, fabsf(gap - 0.002f)) * (ey < 0.f ? 1.f : 0.f) * step01(p.eye_w + 0.01f, p.eye_w - 0.02f, fabsf(ex));
      col = mix(col, tone * 0.35f, 0.55f * low);
      // The crease above the eye.
      float fold = bell(gap - 0.032f - 0.032f * p.lid_fold, 0.011f) * (ey > 0.02f ? 1.f : 0.f) * step01(p.eye_w + 0.05f, p.eye_w - 0.03f, fabsf(ex));
      col = col * (1.f - (0.25f + 0.25f * p.lid_fold) * fold);
    }
    float fold_x = p.nose_w + 0.075f + (p.nose_y - q.y) * 0.28f + 0.03f * p.smile;
    float fold = bell(ax - fold_x, 0.018f) * step01(p.nose_y + 0.02f, p.nose_y - 0.10f, q.y) * step01(p.mouth_y - 0.14f, p.mouth_y + 0.02f, q.y);
    col = col * (1.f - fold * (0.30f * p.wrinkle + 0.10f * sat(p.smile)));
    // A frown is told by its two furrows, also where the brows lie under hair.
    col = col * (1.f - 0.62f * p.anger * bell(ax - 0.055f, 0.014f) * bell(q.y - p.eye_y - p.brow_y + 0.01f, 0.085f) * (q.z > 0.f ? 1.f : 0.f));
    if (p.wrinkle > 0.4f && q.z > 0.f) {
      float fore = step01(0.34f, 0.40f, q.y) * step01(0.74f, 0.62f, q.y) * step01(0.55f, 0.35f, ax);
      float feet = step01(0.12f, 0.20f, ax - s.f.eye.x + 0.03f) * step01(0.34f, 0.24f, ax - s.f.eye.x) * bell(q.y - s.f.eye.y, 0.13f);
      col = col * (1.f - 0.30f * (p.wrinkle - 0.3f) * fore * step01(0.72f, 0.98f, fabsf(sinf(15.f * q.y + 0.8f * sinf(4.f * q.x + p.id_seed)))));
      col = col * (1.f - 0.35f * (p.wrinkle - 0.3f) * feet * step01(0.7f, 0.98f, fabsf(sinf(38.f * (q.y - s.f.eye.y) + 6.f * (ax - s.f.eye.x)))));
    }
    // Shaved scalp of the short cuts, and beards.
    if (p.style <= BUZZ && q.y > 0.2f) {
      float scalp = step01(0.0f, 0.05f, face_window(p, q)) * (p.style < 0.5f ? 0.10f : 0.7f);
      col = mix(col, hair * 0.7f + tone * 0.15f, scalp * (1.f - 0.6f * p.child));
    }
    float beard = beard_mask(p, s.f, q);
    if (beard > 0.02f) {
      float grain = 0.75f + 0.5f * noise2(q.x * 60.f, q.y * 38.f, 7);
      float cover = (p.beard < 1.5f ? 0.62f : 0.93f) * sat(beard * (p.beard < 1.5f ? 1.f : 1.5f));
      V3 strand = hair * (0.72f * grain) + v3(0.004f);
      if (p.beard < 1.5f) strand = v3(fminf(strand.x, tone.x * 0.42f), fminf(strand.y, tone.y * 0.42f), fminf(strand.z, tone.z * 0.45f));  // stubble is a shadow, on fair men too
      col = mix(col, strand, cover);
      if (beard > 0.4f) { c.part = BEARD; c.gloss *= 0.5f; }
    }
  }
  c.colour = col;
}

HD void paint_hair(const Scene& s, V3 q, Coat& c) {
  const Person& p = s.p;
  float a = atan2f(q.x - 0.12f * p.part, q.z + 0.25f);
  float fine = noise2(a * 46.f, q.y * 2.2f, (int)p.seed) * 0.55f + noise2(a * 120.f, q.y * 3.f, 9) * 0.45f;
  float lock = locks(p, q);
  bool curly = p.style == CURLY || p.style == AFRO;
  if (curly) fine = cloud2(q.x * 16.f + q.z * 9.f, q.y * 16.f, 4), lock = 0.f;
  V3 base = hair_colour(p);
  c.colour = base * (0.60f + 0.62f * fine + 0.16f * lock) + base * base * 0.12f;
  c.part = HAIR; c.gloss = curly ? 0.08f : 0.20f; c.sharp = 34.f; c.soft = 0.25f;
  V3 down = p.style == PONYTAIL || p.style == BUN ? v3(q.x, 0.6f, q.z - 0.4f) : v3(q.x * 1.2f, -0.9f, 0.5f * q.z);
  c.along = curly ? v3(0.f) : unit(back(s.head, down));
}

HD void paint_cloth(const Scene& s, V3 b, Coat& c) {
  const Person& p = s.p;
  V3 first = v3(p.cloth_r, p.cloth_g, p.cloth_b), second = v3(p.second_r, p.second_g, p.second_b);
  c.part = CLOTHES; c.gloss = 0.05f; c.sharp = 12.f; c.soft = 0.15f;
  float x = fabsf(b.x), weave = 0.93f + 0.14f * noise2(b.x * 40.f, b.y * 40.f, 2);
  V3 col = first;
  int kind = (int)p.cloth;
  if (p.stripes > 0.5f && b.y < -1.52f && sinf(b.y * 24.f) > 0.15f) col = second;
  if (kind == SWEATER) weave *= 0.85f + 0.2f * fabsf(sinf(b.x * 30.f));
  if (kind == COLLARED) {
    float collar = b.y > -1.66f ? 1.08f : 1.f;
    float placket = bell(x - 0.07f, 0.010f) * (b.z > 0.f && b.y < -1.7f ? 1.f : 0.f);
    col = col * (collar - 0.25f * placket);
    float button = step01(0.028f, 0.018f, len(b.x, fractf(b.y * 2.2f) / 2.2f - 0.22f));
    if (b.z > 0.f && b.y < -1.8f) col = mix(col, mix(v3(0.75f), v3(0.05f), sat(first.x * 2.f)), button);
  }
  if (kind == SUIT && b.z > -0.4f) {
    float v = 0.50f * (b.y + 2.75f) / 1.15f;  // the jacket's opening
    bool shirt = x < v || b.y > -1.50f;
    float lapel = x - v;
    if (shirt) {
      col = v3(0.74f, 0.74f, 0.74f);
      if (p.tie > 0.5f && x < 0.065f + 0.045f * sat((-1.55f - b.y) / 0.9f) + 0.025f * step01(-1.70f, -1.56f, b.y) && b.y < -1.47f) {
        col = second * (0.85f + 0.25f * (sinf(26.f * (b.x + b.y)) > 0.3f ? 1.f : 0.f));
        c.part = SECOND; c.gloss = 0.15f;
      }
    } else if (lapel < 0.24f) {
      col = first * 1.12f;
      if (lapel > 0.215f || lapel < 0.015f) col = first * 0.45f;
    }
  }
  if (kind == HOODIE && b.z > 0.f && b.y > -2.5f && b.y < -1.75f) {
    float cord = step01(0.022f, 0.012f, fabsf(x - 0.15f - 0.02f * sinf(6.f * b.y)));
    col = mix(col, v3(0.75f), cord);
    col = col * (1.f - 0.3f * bell(b.x, 0.012f));
  }
  c.colour = col * weave;
}

HD void paint(const Scene& s, V3 w, int part, Coat& c) {
  const Person& p = s.p;
  V3 q = to_head(s, w), b = to_body(s, w);
  c.colour = v3(0.5f); c.part = part; c.gloss = 0.1f; c.sharp = 20.f; c.soft = 0.f; c.along = v3(0.f);
  V3 gold = p.gold > 0.5f ? v3(0.80f, 0.52f, 0.16f) : v3(0.70f, 0.71f, 0.74f);
  switch (part) {
    case SKIN: paint_skin(s, q, c); break;
    case EYE: paint_eye(s, q, c); break;
    case HAIR: paint_hair(s, q, c); break;
    case CLOTHES: paint_cloth(s, b, c); break;
    case TEETH: c.colour = v3(0.80f, 0.77f, 0.70f) * (0.86f + 0.14f * step01(0.f, 0.25f, fabsf(sinf(q.x * 42.f)))); c.gloss = 0.5f; c.sharp = 60.f; break;
    case FRAME: c.colour = v3(p.frame_r, p.frame_g, p.frame_b); c.gloss = 0.5f; c.sharp = 60.f; break;
    case LENS: c.colour = v3(0.010f, 0.011f, 0.014f); c.gloss = 0.8f; c.sharp = 160.f; break;
    case HAT: {
      c.colour = v3(p.hat_r, p.hat_g, p.hat_b) * (0.88f + 0.2f * noise2(q.x * 30.f, q.y * 30.f, 6));
      if (p.hat > 2.5f && q.y > 0.55f && q.y < 0.70f + 0.18f * q.z && len(q.x, q.z) < 1.0f) c.colour = c.colour * 0.35f;
      c.gloss = 0.05f;
      break;
    }
    case SCARF: c.colour = v3(p.second_r, p.second_g, p.second_b) * (0.8f + 0.3f * fabsf(sinf(18.f * atan2f(b.x, b.z) + 9.f * b.y))); c.gloss = 0.03f; break;
    case EARRING: case NECKLACE: c.colour = gold; c.gloss = 1.2f; c.sharp = 40.f; break;
    default: break;
  }
}
