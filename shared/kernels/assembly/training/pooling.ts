/** Pooling of images [images, height, width, channels], channels last, and its gradients. Padding takes no part. */

/** Written by the caller, twelve 32-bit integers in this order. */
@unmanaged
export class Pooling {
  images: i32;
  height: i32;
  width: i32;
  channels: i32;
  outHeight: i32;
  outWidth: i32;
  windowHeight: i32;
  windowWidth: i32;
  stepDown: i32;
  stepAcross: i32;
  padTop: i32;
  padLeft: i32;
}

/** out = the largest value of each window; NaN where there is one. */
export function maxPool(pooling: Pooling, input: usize, out: usize): void {
  pool(pooling, input, out, 0, true);
}

/** out = the mean of each window, of those of its pixels that lie in the image. */
export function averagePool(pooling: Pooling, input: usize, out: usize): void {
  pool(pooling, input, out, 0, false);
}

/**
 * The upstream gradient, each value at the pixel of its window that was the largest, the first of equals.
 * @param inputGradient written
 */
export function maxPoolGradient(
  pooling: Pooling,
  input: usize,
  output: usize,
  upstream: usize,
  inputGradient: usize,
): void {
  const bytes = (<usize>pooling.channels) << 2;
  memory.fill(inputGradient, 0, <usize>(pooling.images * pooling.height * pooling.width) * bytes);
  for (let image = 0; image < pooling.images; image++) {
    for (let down = 0; down < pooling.outHeight; down++) {
      const top = down * pooling.stepDown - pooling.padTop;
      const bottom = min(top + pooling.windowHeight, pooling.height);
      for (let across = 0; across < pooling.outWidth; across++) {
        const left = across * pooling.stepAcross - pooling.padLeft;
        const right = min(left + pooling.windowWidth, pooling.width);
        giveToLargest(pooling, image, max(top, 0), bottom, max(left, 0), right, input, output, upstream, inputGradient);
        output += bytes;
        upstream += bytes;
      }
    }
  }
}

function giveToLargest(
  pooling: Pooling,
  image: i32,
  top: i32,
  bottom: i32,
  left: i32,
  right: i32,
  input: usize,
  output: usize,
  upstream: usize,
  inputGradient: usize,
): void {
  const channels = pooling.channels;
  const vectors = channels & ~3;
  for (let c = 0; c < vectors; c += 4) {
    const at = (<usize>c) << 2;
    const largest = v128.load(output + at);
    let rest = v128.load(upstream + at);
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const pixel = ((<usize>(((image * pooling.height + y) * pooling.width + x) * channels)) << 2) + at;
        const here = f32x4.eq(v128.load(input + pixel), largest);
        const to = inputGradient + pixel;
        v128.store(to, f32x4.add(v128.load(to), v128.and(rest, here)));
        rest = v128.andnot(rest, here);
      }
    }
  }
  for (let c = vectors; c < channels; c++) {
    const at = (<usize>c) << 2;
    const largest = load<f32>(output + at);
    let found = false;
    for (let y = top; y < bottom && !found; y++) {
      for (let x = left; x < right && !found; x++) {
        const pixel = ((<usize>(((image * pooling.height + y) * pooling.width + x) * channels)) << 2) + at;
        if (load<f32>(input + pixel) != largest) continue;
        found = true;
        store<f32>(inputGradient + pixel, load<f32>(inputGradient + pixel) + load<f32>(upstream + at));
      }
    }
  }
}

/**
 * The upstream gradient spread evenly over the pixels of each window.
 * @param inputGradient written
 */
export function averagePoolGradient(pooling: Pooling, upstream: usize, inputGradient: usize): void {
  const bytes = (<usize>pooling.channels) << 2;
  memory.fill(inputGradient, 0, <usize>(pooling.images * pooling.height * pooling.width) * bytes);
  pool(pooling, inputGradient, 0, upstream, false);
}

/**
 * Walks over the windows. With `upstream` 0: out = the largest or the mean. Otherwise `input` receives each window's
 * share of the upstream gradient.
 */
function pool(pooling: Pooling, input: usize, out: usize, upstream: usize, largest: bool): void {
  const channels = pooling.channels;
  const bytes = (<usize>channels) << 2;
  for (let image = 0; image < pooling.images; image++) {
    for (let down = 0; down < pooling.outHeight; down++) {
      const start = down * pooling.stepDown - pooling.padTop;
      const top = max(start, 0);
      const bottom = min(start + pooling.windowHeight, pooling.height);
      for (let across = 0; across < pooling.outWidth; across++) {
        const begin = across * pooling.stepAcross - pooling.padLeft;
        const left = max(begin, 0);
        const right = min(begin + pooling.windowWidth, pooling.width);
        const share: f32 = 1 / <f32>max(1, (bottom - top) * (right - left));
        for (let c = 0; c < channels; ) {
          const at = (<usize>c) << 2;
          const whole = c + 4 <= channels;
          let value = f32x4.splat(largest ? -Infinity : 0);
          if (upstream != 0) {
            value = whole ? v128.load(upstream + at) : v128.load32_zero(upstream + at);
            value = f32x4.mul(value, f32x4.splat(share));
          }
          for (let y = top; y < bottom; y++) {
            for (let x = left; x < right; x++) {
              const pixel = input + ((<usize>(((image * pooling.height + y) * pooling.width + x) * channels)) << 2) + at;
              const here = whole ? v128.load(pixel) : v128.load32_zero(pixel);
              if (upstream == 0) {
                value = largest ? f32x4.max(value, here) : f32x4.add(value, here);
              } else if (whole) {
                v128.store(pixel, f32x4.add(here, value));
              } else {
                v128.store_lane<f32>(pixel, f32x4.add(here, value), 0);
              }
            }
          }
          if (upstream == 0) {
            if (!largest) value = f32x4.mul(value, f32x4.splat(share));
            if (whole) v128.store(out + at, value);
            else v128.store_lane<f32>(out + at, value, 0);
          }
          c += whole ? 4 : 1;
        }
        if (upstream == 0) out += bytes;
        else upstream += bytes;
      }
    }
  }
}
