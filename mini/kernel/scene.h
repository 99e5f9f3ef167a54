// The whole scene as one distance, and which part of it a point belongs to.
#pragma once
#include "wear.h"

enum Part {
  BACKGROUND, SKIN, HAIR, LIPS, EYE, IRIS, BROW, BEARD, TEETH, MOUTH, CLOTHES, SECOND, HAT, FRAME, LENS, EARRING, NECKLACE,
  SCARF, FRECKLE, LASH, PARTS
};

struct M3 { V3 x, y, z; };  // rows
HD V3 turn(const M3& m, V3 v) { return v3(dot(m.x, v), dot(m.y, v), dot(m.z, v)); }
HD V3 back(const M3& m, V3 v) { return m.x * v.x + m.y * v.y + m.z * v.z; }

struct Scene {
  Person p;
  Face f;
  M3 head, body;      // world to head space, world to body space
  V3 chin_root;       // where the neck meets the head, in body space
  V3 eye, aim, right, up;  // camera
  V3 key;             // towards the key light
  float reach;        // nothing of the sitter lies farther than this from the origin's axis
};

HD V3 PIVOT() { return v3(0.f, -0.80f, -0.25f); }
HD M3 turned(float yaw, float pitch, float roll) {
  float cy = cosf(yaw), sy = sinf(yaw), cp = cosf(pitch), sp = sinf(pitch), cr = cosf(roll), sr = sinf(roll);
  // Columns of Rz(roll) Ry(yaw) Rx(pitch) are the rows of its inverse.
  V3 x = v3(cy, 0.f, -sy), y = v3(sy * sp, cp, cy * sp), z = v3(sy * cp, -sp, cy * cp);
  M3 m;
  m.x = v3(cr * x.x - sr * x.y, sr * x.x + cr * x.y, x.z);
  m.y = v3(cr * y.x - sr * y.y, sr * y.x + cr * y.y, y.z);
  m.z = v3(cr * z.x - sr * z.y, sr * z.x + cr * z.y, z.z);
  return m;
}
HD V3 to_head(const Scene& s, V3 w) { return turn(s.head, w - PIVOT()) + PIVOT(); }
HD V3 to_body(const Scene& s, V3 w) { return turn(s.body, w - PIVOT()) + PIVOT() - v3(0.f, 0.30f, 0.f); }  // shoulders stand higher than their own numbers say

HD void set_scene(const Person& p, Scene& s) {
  s.p = p;
  s.f = face_of(p);
  s.head = turned(p.yaw, p.pitch, p.roll);
  s.body = turned(0.35f * p.yaw, 0.f, 0.12f * p.roll);
  V3 root = back(s.head, v3(0.f, -0.55f, -0.20f) - PIVOT()) + PIVOT();
  s.chin_root = to_body(s, root);
  V3 centre = v3(p.aim_x, p.aim_y, 0.f);
  s.aim = centre;
  s.eye = centre + v3(0.f, sinf(p.camera_up), cosf(p.camera_up)) * p.camera_d;
  V3 ahead = unit(centre - s.eye);
  s.right = unit(cross(ahead, v3(0.f, 1.f, 0.f)));
  s.up = cross(s.right, ahead);
  s.key = unit(v3(p.key_x, p.key_y, p.key_z));
}

struct Hit { float d; int part; };
HD void take(Hit& h, float d, int part) {
  if (d < h.d) { h.d = d; h.part = part; }
}

// Distance and part. Cheap bounds first: most points of a march lie far from most parts.
HD_ONCE Hit nearest(const Scene& s, V3 w) {
  const Person& p = s.p;
  Hit h = {9.f, BACKGROUND};
  V3 q = to_head(s, w);
  float bound = len(q - v3(0.f, 0.05f, -0.05f));
  float far_head = p.style >= BOB && q.y < 0.4f && bound < 3.4f ? -1.f : bound - 2.05f;
  V3 b = to_body(s, w);
  float neck = neck_sdf(p, b, s.chin_root), skin = neck;
  if (bound < 1.75f) {
    float head = skin_sdf(p, s.f, q);
    float hairy = p.beard > 1.5f ? beard_mask(p, s.f, q) * (p.beard > 3.5f ? 0.03f + 0.09f * p.beard_len : 0.03f) : 0.f;
    if (hairy > 0.f) hairy *= step01(0.f, 0.16f, lips_sdf(p, s.f, q));  // it never hangs over the lips
    if (hairy > 0.f) hairy *= 1.f + 0.16f * sinf(48.f * q.x + 3.f * sinf(9.f * q.y)) * sinf(13.f * q.y + 4.f * q.x);
    skin = smin(neck, head - hairy, 0.12f);
    V3 a = v3(fabsf(q.x), q.y, q.z);
    take(h, ball(a, s.f.eye, p.eye_r), EYE);
    if (p.open > 0.03f && q.z > 0.3f) take(h, teeth_sdf(p, s.f, q), TEETH);
    float lens;
    take(h, glasses_sdf(p, s.f, q, &lens), FRAME);
    if (p.glasses > 2.5f) take(h, lens, LENS);
    take(h, earring_sdf(p, q), EARRING);
  } else {
    take(h, bound - 1.5f, SKIN);
  }
  if (far_head < 0.f) {
    float hair = hair_sdf(p, q);
    float hat = hat_sdf(p, q);
    if (p.hat > 0.5f) {  // hair under a hat lies flat
      float under = skull_sdf(p, q) - (p.hat > 2.5f ? 0.09f : 0.10f);
      if (q.y > (p.hat < 1.5f ? 0.45f : 0.54f) + 0.06f * q.z) hair = fmaxf(hair, under);
    }
    take(h, hair, HAIR);
    take(h, hat, HAT);
  } else {
    take(h, far_head + 0.3f, HAIR);
  }
  if (w.y < -0.55f) {
    float body = body_sdf(p, b);
    skin = smin(skin, body, 0.16f);
    float cloth = cloth_sdf(p, b, body, neck);
    take(h, cloth, CLOTHES);
    take(h, scarf_sdf(p, b), SCARF);
    take(h, necklace_sdf(p, b, fminf(skin, cloth)), NECKLACE);
  } else {
    take(h, 0.25f + fmaxf(w.y + 0.55f, 0.f), CLOTHES);
  }
  take(h, skin, SKIN);
  return h;
}
