/** Operations that hand on what they take; the last of them hides a softmax. */
export const PASSING_OPERATIONS: ReadonlySet<string> = new Set(["Identity", "StopGradient", "EnsureShape"]);

/**
 * Operations of a GraphModel that an isolate evaluates: those of `@tensorflow/tfjs-converter` that need no control flow,
 * no strings, no random numbers, give a shape that depends on shapes alone, and that TF.js's WASM backend has.
 * `Range`, `LinSpace` and `OneHot` are left out on purpose: they make as much memory as a constant of theirs says,
 * outside the heap that is watched.
 */
export const GRAPH_OPERATIONS: ReadonlySet<string> = new Set([
  ...["Const", "Placeholder", "Identity", "StopGradient", "Snapshot", "Shape", "Size", "Rank", "NoOp", "EnsureShape"],
  ...["BiasAdd", "AddV2", "Add", "AddN", "FloorMod", "Mod", "Mul", "RealDiv", "Div", "DivNoNan", "FloorDiv", "Sub"],
  ...["Minimum", "Maximum", "Pow", "SquaredDifference"],
  ...["Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atan2", "Atanh", "Ceil", "Cos", "Cosh", "Elu", "Erf", "Exp"],
  ...["Expm1", "Floor", "Log", "Log1p", "Neg", "Reciprocal", "Relu", "Relu6", "Round", "Selu", "Sigmoid", "Sin"],
  ...["Sign", "Sinh", "Softplus", "Sqrt", "Square", "Tanh", "Tan", "ClipByValue", "Rsqrt", "LeakyRelu", "Prelu"],
  ...["Conv1D", "Conv2D", "_FusedConv2D", "FusedDepthwiseConv2dNative", "Conv2DBackpropInput", "DepthwiseConv2dNative"],
  ...["AvgPool", "MaxPool", "ResizeBilinear", "ResizeNearestNeighbor"],
  ...["Fill", "Ones", "OnesLike", "Zeros", "ZerosLike"],
  ...["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalNot", "LogicalOr"],
  ...["Select", "SelectV2"],
  ...["BatchMatMul", "BatchMatMulV2", "MatMul", "_FusedMatMul", "Transpose"],
  ...["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Softmax", "LogSoftmax"],
  ...["Max", "Mean", "Min", "Sum", "Prod", "All", "Any", "ArgMax", "ArgMin", "Cumsum"],
  ...["ConcatV2", "Concat", "Gather", "GatherV2", "Reverse", "ReverseV2", "Slice", "StridedSlice", "Pack", "Unpack"],
  ...["Tile", "Split", "SplitV"],
  ...["Cast", "ExpandDims", "Squeeze", "Reshape", "MirrorPad", "PadV2", "Pad", "SpaceToBatchND", "BatchToSpaceND"],
  ...["DepthToSpace", "BroadcastTo"],
]);
