"""The shaders: the skin's colour is the photo's; behind the lips everything is lit through them.

All in linear light. The opening is an area light (Lambert's form factor of a polygon), the lips
throw the key light's shadow, and the mouth's own colour bounces back.
"""

from __future__ import annotations

VERTEX = """
#version 330
in vec3 at; in vec3 place; in vec3 normal; in float shade; in float gap;
in vec2 uv; in vec4 part; in vec2 of_part;
out vec3 p; out vec3 n; out float lit; out float near_gap; out vec2 where;
flat out float kind; out float rim; out vec2 on_part; out float tongue; flat out float chance;
void main() {
    gl_Position = vec4(at, 1.0);
    p = place; n = normal; lit = shade; near_gap = gap; where = uv;
    kind = part.x; rim = part.y; on_part = part.zw; tongue = of_part.x; chance = of_part.y;
}
"""

FRAGMENT = """
#version 330
const float PI = 3.14159265;
in vec3 p; in vec3 n; in float lit; in float near_gap; in vec2 where;
flat in float kind; in float rim; in vec2 on_part; in float tongue; flat in float chance;
uniform sampler2D photo;
uniform vec3 lips[12];
uniform vec3 lip_colour; uniform vec3 teeth; uniform vec3 key;
uniform vec4 look;  // reach of the light, darkness between teeth, their differences, bounce
uniform float shine;
out vec4 colour;

float inside(vec2 at) {  // signed distance to the opening, positive inside
    float best = 1e9, sign_ = -1.0;
    for (int i = 0; i < 12; i++) {
        vec2 a = lips[i].xy, b = lips[(i + 1) % 12].xy, e = b - a, w = at - a;
        vec2 off = w - e * clamp(dot(w, e) / max(dot(e, e), 1e-9), 0.0, 1.0);
        best = min(best, dot(off, off));
        bvec3 c = bvec3(at.y >= a.y, at.y < b.y, e.x * w.y > e.y * w.x);
        if (all(c) || all(not(c))) sign_ = -sign_;
    }
    return sign_ * sqrt(best);
}

float behind(vec3 at) {  // cm behind the plane of the lips
    float sum = 0.0, all_ = 0.0;
    for (int i = 0; i < 12; i++) {
        vec2 off = lips[i].xy - at.xy;
        float w = 1.0 / (dot(off, off) + 0.01);
        sum += w * lips[i].z; all_ += w;
    }
    return max(sum / all_ - at.z, 0.0);
}

float form_factor(vec3 at, vec3 normal) {
    vec3 m = normalize(normal + vec3(0, 0, 0.6));
    float sum = 0.0;
    vec3 a = normalize(lips[11] - at);
    for (int i = 0; i < 12; i++) {
        vec3 b = normalize(lips[i] - at);
        vec3 c = cross(a, b);
        float s = length(c);
        if (s > 1e-6) sum += acos(clamp(dot(a, b), -1.0, 1.0)) * dot(m, c) / s;
        a = b;
    }
    return abs(sum) / (2.0 * PI);
}

float chance_at(vec2 at) {
    return fract(sin(dot(floor(at), vec2(12.9898, 78.233))) * 43758.5453);
}

float noise(vec2 at) {
    vec2 f = fract(at); f = f * f * (3.0 - 2.0 * f);
    vec2 i = floor(at);
    return mix(mix(chance_at(i), chance_at(i + vec2(1, 0)), f.x),
               mix(chance_at(i + vec2(0, 1)), chance_at(i + vec2(1, 1)), f.x), f.y);
}

vec3 skin(vec3 normal) {
    vec3 c = pow(texture(photo, where).rgb, vec3(2.2)) * lit;
    float painted = 1.0 - smoothstep(-0.06, 0.10, rim);
    if (painted > 0.0) {
        float d = behind(p);
        float ff = mix(1.0, form_factor(p, normal), smoothstep(0.0, 0.3, d));
        float fr = pow(clamp(look.x * ff, 0.0, 1.0), 1.4);
        float light = (0.55 + 0.5 * max(dot(normal, key), 0.0)) * mix(0.3, 1.0, fr);
        vec3 wet = lip_colour * vec3(1.0, 0.86, 0.88) * light;
        float gloss = pow(max(dot(normal, normalize(key + vec3(0, 0, 1))), 0.0), 50.0);
        wet += 0.10 * gloss * shine * smoothstep(0.05, 0.2, near_gap) * luminance_of_teeth();
        c = mix(c, wet, painted);
    }
    float dark = 0.62 * exp(-near_gap / 0.1) * (1.0 - smoothstep(-0.02, 0.09, rim));
    return c * (1.0 - dark);
}

void main() {
    vec3 normal = normalize(n);
    if (kind < 0.5) {
        colour = vec4(pow(clamp(skin(normal), 0.0, 1.0), vec3(1.0 / 2.2)), rim < 0.02 ? 1.0 : 0.0);
        return;
    }
    float sd = inside(p.xy);
    if (sd < -0.18) discard;
    float d = behind(p);
    float ff = mix(1.0, form_factor(p, normal), smoothstep(0.0, 0.3, d));
    float fr = pow(clamp(look.x * ff, 0.0, 1.0), mix(1.4, 1.15, tongue));
    float w = 0.06 + 0.24 * d;
    float hit = inside(p.xy + key.xy / key.z * d);
    float sh = smoothstep(-w, w, hit - 0.02);
    vec3 albedo; float gloss = 0.0, power = 30.0;
    vec3 bump = normal;
    if (kind > 2.5) {
        float u = on_part.x, v = on_part.y;
        albedo = mix(vec3(0.93, 0.86, 0.76), vec3(1.0), smoothstep(0.0, 0.55, v));
        albedo *= mix(vec3(1.0), vec3(0.93, 0.95, 0.98), smoothstep(0.78, 0.9, v));
        albedo *= 1.0 - look.y * smoothstep(0.7, 1.0, abs(u));
        albedo *= 1.0 - (0.02 + 0.12 * fract(chance + look.z)) * vec3(0.8, 1.0, 1.3);
        gloss = 0.26; power = 32.0;
    } else {
        vec2 q = on_part * 9.0;
        vec3 flesh = vec3(0.66, 0.33, 0.32); gloss = 0.10; power = 35.0;
        if (kind < 1.5) {
            flesh = vec3(0.40, 0.15, 0.14) * mix(1.0, 0.55, smoothstep(0.5, 3.0, d));
            gloss = 0.0;
        }
        vec3 soft = vec3(0.64, 0.35, 0.35) * (0.88 + 0.24 * noise(q));
        soft *= 1.0 - 0.14 * exp(-pow(on_part.x / 0.12, 2.0));
        soft *= mix(1.05, 0.34, smoothstep(0.9, 3.6, d));
        albedo = mix(flesh, soft, tongue);
        gloss = mix(gloss, 0.12, tongue); power = mix(power, 22.0, tongue);
        vec2 rough = vec2(noise(q + 7.0), noise(q + 31.0)) - 0.5;
        bump = normalize(normal + 0.5 * tongue * vec3(rough, 0.0));
    }
    float side = 0.45 + 0.55 * normal.z;
    float diffuse = 0.58 * fr * side * (0.72 + 0.28 * sh);
    diffuse += 0.54 * sh * (0.35 + 0.65 * dot(normal, key)) * side * smoothstep(0.0, 0.35, fr);
    float bounce = look.w * (0.06 + 0.10 * ff) * (1.0 + tongue);
    vec3 e = vec3(max(diffuse, 0.0)) + bounce * vec3(1.0, 0.55, 0.5);
    vec3 c = teeth * albedo * e;
    float spec = pow(max(dot(bump, normalize(key + vec3(0, 0, 1))), 0.0), power);
    c += gloss * shine * spec * sh * fr;
    colour = vec4(pow(clamp(c, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
""".replace("luminance_of_teeth()", "dot(teeth, vec3(0.21, 0.72, 0.07))")

BACKDROP_VERTEX = """
#version 330
in vec2 at; in vec2 uv;
out vec2 where; out float lit;
void main() { gl_Position = vec4(at, 0.0, 1.0); where = uv; lit = 1.0; }
"""

PLAIN_VERTEX = """
#version 330
in vec3 at; in float shade; in vec2 uv;
out vec2 where; out float lit;
void main() { gl_Position = vec4(at, 1.0); where = uv; lit = pow(shade, 1.0 / 2.2); }
"""

PHOTO_FRAGMENT = """
#version 330
in vec2 where; in float lit;
uniform sampler2D photo;
out vec4 colour;
void main() { colour = vec4(texture(photo, where).rgb * lit, 0.0); }
"""
