/** A node of a graph in few words. */
function node(name: string, op: string, input: readonly string[], attr: Readonly<Record<string, unknown>> = {}) {
  return { name, op, ...(input.length === 0 ? {} : { input }), attr };
}

const shapeProto = (shape: readonly number[]) => ({ dim: shape.map((size) => ({ size: String(size) })) });
const word = (text: string) => ({ s: btoa(text) });
const FLOAT = { T: { type: "DT_FLOAT" } };

/** A constant without its value, which is a weight. */
export function graphConstant(name: string, shape: readonly number[], type = "DT_FLOAT") {
  return node(name, "Const", [], {
    dtype: { type },
    value: { tensor: { dtype: type, tensorShape: shapeProto(shape) } },
  });
}

/** Float32 weights of {@link convolutionalGraph}, by name and shape. */
export const GRAPH_WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  "model/conv/kernel": [3, 3, 2, 4],
  "model/conv/bias": [4],
  "model/norm/gamma": [4],
  "model/norm/beta": [4],
  "model/norm/mean": [4],
  "model/norm/variance": [4],
  "model/dense/kernel": [12, 3],
  "model/dense/bias": [3],
};

/** Its whole numbers. */
export const GRAPH_CONSTANTS: Readonly<Record<string, readonly number[]>> = { "model/flatten/shape": [-1, 12] };

/**
 * A graph as the converter of TF.js writes it: a convolution with its bias and ReLU fused, batch normalisation, a maximum,
 * a dense layer on 3 x 1 x 4 values, softmax. Samples are [6, 4, 2], classes 3.
 */
export function convolutionalGraph() {
  const nodes = [
    node("x", "Placeholder", [], { dtype: { type: "DT_FLOAT" }, shape: { shape: shapeProto([-1, 6, 4, 2]) } }),
    ...Object.entries(GRAPH_WEIGHTS).map(([name, shape]) => graphConstant(name, shape)),
    graphConstant("model/flatten/shape", [2], "DT_INT32"),
    node("model/conv/Relu", "_FusedConv2D", ["x", "model/conv/kernel", "model/conv/bias"], {
      ...FLOAT,
      strides: { list: { i: ["1", "1", "1", "1"] } },
      dilations: { list: { i: ["1", "1", "1", "1"] } },
      padding: word("SAME"),
      data_format: word("NHWC"),
      fused_ops: { list: { s: [btoa("BiasAdd"), btoa("Relu")] } },
      num_args: { i: "1" },
      epsilon: { f: 0 },
      _output_shapes: { list: {} },
    }),
    node(
      "model/norm/FusedBatchNormV3",
      "FusedBatchNormV3",
      ["model/conv/Relu", "model/norm/gamma", "model/norm/beta", "model/norm/mean", "model/norm/variance"],
      { ...FLOAT, epsilon: { f: 0.001 }, data_format: word("NHWC"), is_training: { b: false } },
    ),
    node("model/pool/MaxPool", "MaxPool", ["model/norm/FusedBatchNormV3"], {
      ...FLOAT,
      ksize: { list: { i: ["1", "2", "2", "1"] } },
      strides: { list: { i: ["1", "2", "2", "1"] } },
      padding: word("VALID"),
      data_format: word("NHWC"),
    }),
    node("model/cut/MaxPool", "MaxPool", ["model/pool/MaxPool"], {
      ...FLOAT,
      ksize: { list: { i: ["1", "1", "2", "1"] } },
      strides: { list: { i: ["1", "1", "2", "1"] } },
      padding: word("VALID"),
      data_format: word("NHWC"),
    }),
    node("model/flatten/Reshape", "Reshape", ["model/cut/MaxPool", "model/flatten/shape"], FLOAT),
    node("model/dense/MatMul", "MatMul", ["model/flatten/Reshape", "model/dense/kernel"], {
      ...FLOAT,
      transpose_a: { b: false },
      transpose_b: { b: false },
    }),
    node("model/dense/BiasAdd", "BiasAdd", ["model/dense/MatMul", "model/dense/bias"], FLOAT),
    node("model/dense/Softmax", "Softmax", ["model/dense/BiasAdd"], FLOAT),
    node("Identity", "Identity", ["model/dense/Softmax"], FLOAT),
    // Not needed by the output, so neither here nor there.
    node("unused", "StringSplit", ["Identity"]),
  ];
  const entry = (name: string, shape: readonly number[]) => ({
    name,
    dtype: "DT_FLOAT",
    tensorShape: shapeProto(shape),
  });
  return {
    format: "graph-model",
    generatedBy: "2.15.0",
    convertedBy: "TensorFlow.js Converter v4.22.0",
    signature: { inputs: { x: entry("x:0", [-1, 6, 4, 2]) }, outputs: { output: entry("Identity:0", [-1, 3]) } },
    modelTopology: { node: nodes, library: {}, versions: { producer: 1987 } },
    weightsManifest: [
      {
        paths: ["group1-shard1of1.bin"],
        weights: [
          ...Object.entries(GRAPH_WEIGHTS).map(([name, shape]) => ({ name, shape, dtype: "float32" })),
          { name: "model/flatten/shape", shape: [2], dtype: "int32" },
        ],
      },
    ],
  };
}

/** {@link convolutionalGraph} with the nodes changed. */
export function changedGraph(
  change: (nodes: ReturnType<typeof convolutionalGraph>["modelTopology"]["node"]) => readonly unknown[],
) {
  const model = convolutionalGraph();
  return { ...model, modelTopology: { ...model.modelTopology, node: change(model.modelTopology.node) } };
}
