export function accumulateF32(accumulator: usize, source: usize, count: i32, weight: f64): void {
  for (let i = 0; i < count; i++) {
    store<f64>(
      accumulator + (usize(i) << 3),
      load<f64>(accumulator + (usize(i) << 3)) + weight * f64(load<f32>(source + (usize(i) << 2))),
    );
  }
}
