/** The TF.js form is pure and lives with the core, where the command line finds it too. */
export { hasWeightsForm, layersModelOf, type LayersModelJson, unavailable } from "../../shared/tfjs-form/index.ts";
