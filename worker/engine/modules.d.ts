/** Workers hand an imported `.wasm` file over compiled. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
