// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The official client for JavaScript writes to "lsobs serve", and reads back what it has written. Run by
// "./dev js-client-test", which installs it: node langsmith-client.mjs URL TOKEN

import assert from "node:assert/strict";
import { Client, RunTree } from "langsmith";

const [url, token] = process.argv.slice(2);
const client = new Client({ apiUrl: url, apiKey: token, webUrl: url });

async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

// --- write

const root = new RunTree({
  name: "agent",
  run_type: "chain",
  inputs: { question: "hällo \ud800" },
  project_name: "js",
  client,
  tags: ["blue"],
  metadata: { user: "u-1", thread_id: "t-1" },
  attachments: { picture: ["image/png", new Uint8Array([1, 2, 3])] },
});
await root.postRun();
const model = root.createChild({ name: "model", run_type: "llm", inputs: { messages: [] } });
await model.postRun();
await model.end({ usage_metadata: { input_tokens: 3, output_tokens: 4, total_tokens: 7 } });
await model.patchRun();
const tool = root.createChild({ name: "tool", run_type: "tool", inputs: {} });
await tool.postRun();
await tool.end(undefined, "no route");
await tool.patchRun();
await root.end({ answer: 42 });
await root.patchRun();
await client.awaitPendingTraceBatches();
const feedback = await client.createFeedback(root.id, "good", { score: 1, comment: "fine" });

// --- read

const list = async (options) =>
  (await collect(client.listRuns({ projectName: "js", ...options }))).map((run) => run.name).sort();

assert.deepEqual(await list({}), ["agent", "model", "tool"]);
assert.deepEqual(await list({ isRoot: true }), ["agent"]);
assert.deepEqual(await list({ error: true }), ["tool"]);
assert.deepEqual(await list({ runType: "llm" }), ["model"]);
assert.deepEqual(await list({ traceId: root.trace_id, limit: 2 }).then((l) => l.length), 2);
assert.deepEqual(await list({ filter: 'and(eq(run_type, "llm"), gt(total_tokens, 6))' }), ["model"]);
assert.deepEqual(await list({ filter: 'has(tags, "blue")' }), ["agent"]);
assert.deepEqual(
  await list({ filter: 'and(eq(metadata_key, "user"), eq(metadata_value, "u-1"))', isRoot: true }),
  ["agent"]);
assert.deepEqual(await list({ filter: 'search("route")' }), ["tool"]);
await assert.rejects(list({ filter: 'like(name, "x")' }), /400.*like/s);

const run = await client.readRun(root.id, { loadChildRuns: true });
assert.equal(run.name, "agent");
assert.equal(run.status, "success");
assert.deepEqual(run.inputs, { question: "hällo \ufffd" });
assert.deepEqual(run.outputs, { answer: 42 });
assert.equal(run.total_tokens, 7);
assert.equal(run.child_runs.length, 2);
assert.deepEqual(run.feedback_stats, { good: { n: 1, avg: 1 } });
assert.ok(new Date(run.end_time) >= new Date(run.start_time));

const file = await fetch(url + run.s3_urls["attachment.picture"].presigned_url,
  { headers: { "x-api-key": token } });
assert.equal(file.headers.get("content-type"), "image/png");
assert.deepEqual(new Uint8Array(await file.arrayBuffer()), new Uint8Array([1, 2, 3]));

const project = await client.readProject({ projectName: "js", includeStats: true });
assert.equal(project.run_count, 1);
assert.equal(project.total_tokens, 7);
assert.deepEqual((await collect(client.listProjects())).map((p) => p.name), ["js"]);
assert.ok((await client.getRunUrl({ runId: root.id })).startsWith(`${url}/o/`));

// --- change, and delete

assert.deepEqual((await collect(client.listFeedback({ runIds: [root.id] }))).map((f) => f.key), ["good"]);
await client.updateFeedback(feedback.id, { score: 0 });
assert.equal((await client.readFeedback(feedback.id)).score, 0);
await client.deleteFeedback(feedback.id);
assert.deepEqual(await collect(client.listFeedback({ runIds: [root.id] })), []);
await client.createProject({ projectName: "other" });
await client.deleteProject({ projectName: "other" });
await client.deleteProject({ projectName: "js" });
assert.deepEqual(await collect(client.listProjects()), []);
console.log("the client for JavaScript has written and read back: 1 passed, 0 failed");
