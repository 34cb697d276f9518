export { VERSION } from "../shared/version.ts";
