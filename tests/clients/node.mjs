// One prediction, metadata and an error with @grpc/grpc-js: node node.mjs HOST:PORT PROTO_FOLDER
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_HOME + "/");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, folder] = process.argv.slice(2);
const options = { keepCase: true, longs: Number, defaults: true, includeDirs: [folder] };
const proto = grpc.loadPackageDefinition(loader.loadSync("inference.proto", options));
const client = new proto.inference.GRPCInferenceService(
  address, grpc.credentials.createInsecure());

const ask = (method, request) => new Promise((resolve) =>
  client[method](request, (error, answer) => resolve(error ? { code: error.code } : answer)));

const raw = Buffer.from(new Float32Array([1, 2, 3, 4]).buffer);
const input = { name: "x", datatype: "FP32", shape: [1, 4] };
const request = { model_name: "identity_fp32", inputs: [input], raw_input_contents: [raw] };
const answers = {
  live: (await ask("ServerLive", {})).live,
  inputs: (await ask("ModelMetadata", { name: "identity_fp32" })).inputs[0].shape,
  back: [...new Float32Array(new Uint8Array(
    (await ask("ModelInfer", request)).raw_output_contents[0]).buffer)],
  unknown: (await ask("ModelInfer", { ...request, model_name: "nobody" })).code,
  many: (await Promise.all(Array.from({ length: 200 }, () => ask("ModelInfer", request))))
    .filter((answer) => answer.raw_output_contents).length,
};
const stream = client.ModelStreamInfer();
answers.streamed = await new Promise((resolve) => {
  const found = [];
  stream.on("data", (message) => found.push(message.infer_response.id));
  stream.on("end", () => resolve(found));
  for (const id of ["a", "b", "c"]) stream.write({ ...request, id });
  stream.end();
});
console.log(JSON.stringify(answers));
client.close();
