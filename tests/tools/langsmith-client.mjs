// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The official client for JavaScript writes to "lsobs serve", and reads back what it has written. Run by
// "./dev js-client-test", which installs the client: node langsmith-client.mjs URL TOKEN

import assert from "node:assert/strict";
import { randomUUID, webcrypto } from "node:crypto";
import { AgentAddress, Client, RunTree } from "langsmith";

// The client needs it, and Node.js 18, which Debian 12 has, does not set it.
globalThis.crypto ??= webcrypto;

const [url, token] = process.argv.slice(2);

let passed = 0;
let failed = 0;

async function test(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok ${passed + failed} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${passed + failed} - ${name}`);
    console.log(String(error.stack ?? error).replace(/^/gm, "# "));
  }
}

// What the clients have sent: the method, the path, and the encoding of the body.
const sent = [];

async function recordedFetch(input, init) {
  const headers = new Headers(init?.headers);

  sent.push({
    line: `${init?.method ?? "GET"} ${new URL(input).pathname}`,
    encoding: headers.get("content-encoding") ?? "none",
  });
  return fetch(input, init);
}

function newClient(options) {
  return new Client({
    apiUrl: url, apiKey: token, webUrl: url, fetchImplementation: recordedFetch,
    callerOptions: { maxRetries: 0 }, ...options,
  });
}

const client = newClient();

async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

const start = Date.UTC(2026, 2, 1, 10, 0, 0);

/** Writes a trace: an agent (5 s) with a model (2 s, first token after 0.5 s), and a tool that fails. */
async function writeTrace(writer, project, extra = {}) {
  const root = new RunTree({
    name: "agent", run_type: "chain", client: writer, start_time: start,
    inputs: { question: "hällo \ud800" }, tags: ["blue", "x\"y"],
    metadata: { user: "u-1", thread_id: "t-1", level: 3, beta: true },
    ...(project ? { project_name: project } : {}), ...extra,
  });
  await root.postRun();
  const model = root.createChild({
    name: "model", run_type: "llm", start_time: start + 1000, inputs: { messages: ["weather"] },
    metadata: { user: "u-2", thread_id: "t-2", level: 1, beta: false },
  });
  await model.postRun();
  model.addEvent({ name: "new_token", time: new Date(start + 1500).toISOString() });
  await model.end(
    { usage_metadata: { input_tokens: 3, output_tokens: 4, total_tokens: 7, total_cost: 0.002 } },
    undefined, start + 3000);
  await model.patchRun();
  const tool = root.createChild({ name: "tool", run_type: "tool", start_time: start + 3000, inputs: {},
    metadata: { user: "u-3", thread_id: "t-3", level: "high", beta: null } });
  await tool.postRun();
  await tool.end(undefined, "no route", start + 4000);
  await tool.patchRun();
  await root.end({ answer: 42 }, undefined, start + 5000);
  await root.patchRun();
  await writer.awaitPendingTraceBatches();
  return root;
}

// --- ways to write

async function assertTrace(root, project) {
  const runs = await collect(client.listRuns({ projectName: project, order: "asc" }));

  assert.deepEqual(runs.map((run) => [run.name, run.status]),
    [["agent", "success"], ["model", "success"], ["tool", "error"]]);
  assert.equal(runs[0].id, root.id);
  assert.deepEqual(runs[0].inputs, { question: "hällo \ufffd" });
  assert.deepEqual(runs[0].outputs, { answer: 42 });
  assert.equal(runs[0].total_tokens, 7);
  assert.ok(runs.every((run) => run.trace_id === root.id));
}

await test("one request for each run", async () => {
  sent.length = 0;
  const root = await writeTrace(newClient({ autoBatchTracing: false }), "single");
  assert.equal(sent.filter(({ line }) => line === "POST /runs").length, 3);
  assert.equal(sent.filter(({ line }) => line.startsWith("PATCH /runs/")).length, 3);
  await assertTrace(root, "single");
});

await test("multipart, compressed", async () => {
  sent.length = 0;
  const root = await writeTrace(client, "multipart");
  const bodies = sent.filter(({ line }) => line === "POST /runs/multipart");
  assert.ok(bodies.length > 0);
  assert.ok(bodies.every(({ encoding }) => encoding === "gzip" || encoding === "zstd"));
  await assertTrace(root, "multipart");
});

await test("multipart, plain", async () => {
  sent.length = 0;
  process.env.LANGSMITH_DISABLE_RUN_COMPRESSION = "true";
  const writer = newClient();
  delete process.env.LANGSMITH_DISABLE_RUN_COMPRESSION;
  const root = await writeTrace(writer, "plain");
  const bodies = sent.filter(({ line }) => line === "POST /runs/multipart");
  assert.ok(bodies.length > 0);
  assert.ok(bodies.every(({ encoding }) => encoding === "none"));
  await assertTrace(root, "plain");
});

await test("batches", async () => {
  const id = randomUUID();
  const run = {
    id, trace_id: id, dotted_order: `20260301T100000000000Z${id}`, name: "batched", run_type: "chain",
    session_name: "batch", start_time: start, inputs: { a: 1 },
  };
  sent.length = 0;
  await client.batchIngestRuns({ runCreates: [run] });
  await client.batchIngestRuns({
    runUpdates: [{
      id, trace_id: id, dotted_order: run.dotted_order, outputs: { b: 2 }, end_time: start + 1000,
    }],
  });
  assert.equal(sent.filter(({ line }) => line === "POST /runs/batch").length, 2);
  const found = await client.readRun(id);
  assert.equal(found.name, "batched");
  assert.equal(found.status, "success");
  assert.deepEqual([found.inputs, found.outputs], [{ a: 1 }, { b: 2 }]);
});

await test("an address in place of a project", async () => {
  const root = await writeTrace(client, undefined, { address: new AgentAddress("support", "production") });
  await assertTrace(root, "lrn:agents/support/environments/production");
  // the whole trace is there
  const run = await client.readRun(root.id);
  const url = await client.getRunUrl({ run });
  assert.ok(url.includes(run.session_id) && url.includes(root.id));
});

// --- runs

const root = await writeTrace(client, "js", {
  attachments: { picture: ["image/png", new Uint8Array([1, 2, 3])] },
});

const list = async (options) =>
  (await collect(client.listRuns({ projectName: "js", ...options }))).map((run) => run.name).sort().join(" ");

const ALL = "agent model tool";
const model = (await collect(client.listRuns({ projectName: "js", runType: "llm" })))[0];

for (const [options, expected] of [
  [{}, ALL],
  [{ isRoot: true }, "agent"],
  [{ isRoot: false }, "model tool"],
  [{ error: true }, "tool"],
  [{ error: false }, "agent model"],
  [{ runType: "llm" }, "model"],
  [{ traceId: root.id }, ALL],
  [{ traceId: randomUUID() }, ""],
  [{ parentRunId: root.id }, "model tool"],
  [{ id: [root.id, model.id] }, "agent model"],
  [{ executionOrder: 1 }, "agent"],
  [{ startTime: new Date(start + 1000) }, "model tool"],
  [{ query: "weather" }, "model"],
  [{ projectName: ["js", "batch"], isRoot: true }, "agent batched"],
  [{ referenceExampleId: [randomUUID()] }, ""],
  [{ select: ["name"] }, ALL],
  [{ traceFilter: "eq(name, \"agent\")", runType: "tool" }, "tool"],
  [{ traceFilter: "eq(name, \"model\")" }, ""],
  [{ treeFilter: "eq(status, \"error\")", isRoot: true }, "agent"],
  [{ treeFilter: "eq(name, \"nobody\")" }, ""],
]) {
  await test(`listRuns ${JSON.stringify(options)}`.slice(0, 100), async () =>
    assert.equal(await list(options), expected));
}

for (const [filter, expected] of [
  ["eq(name, \"model\")", "model"],
  ["neq(name, \"model\")", "agent tool"],
  ["eq(status, \"success\")", "agent model"],
  ["neq(status, \"error\")", "agent model"],
  ["eq(run_type, \"tool\")", "tool"],
  ["neq(run_type, 'tool')", "agent model"],
  ["gt(start_time, \"2026-03-01T10:00:01.5Z\")", "tool"],
  ["gte(start_time, \"2026-03-01T10:00:01Z\")", "model tool"],
  ["lt(start_time, \"2026-03-01T10:00:01Z\")", "agent"],
  ["lte(start_time, \"2026-03-01T11:00:01.5+01:00\")", "agent model"],
  ["gt(end_time, \"2026-03-01T10:00:03.5Z\")", "agent tool"],
  ["gt(latency, 2)", "agent"],
  ["gte(latency, \"1.5s\")", "agent model"],
  ["lt(latency, \"1500ms\")", "tool"],
  ["lte(latency, 2.0)", "model tool"],
  ["neq(latency, 1)", ALL],
  ["lt(time_to_first_token, 1)", "model"],
  ["gt(total_tokens, 6)", "agent model"],
  ["eq(prompt_tokens, 3)", "agent model"],
  ["lt(completion_tokens, 4)", "tool"],
  ["gte(total_cost, 0.002)", "agent model"],
  ["has(tags, \"blue\")", "agent"],
  ["has(tags, \"x\\\"y\")", "agent"],
  ["not(has(tags, \"blue\"))", "model tool"],
  ["has(metadata, '{\"user\": \"u-1\", \"level\": 3}')", "agent"],
  ["has(metadata, '{\"beta\": false}')", "model"],
  ["has(metadata, '{\"user\": \"u-4\"}')", ""],
  ["and(eq(metadata_key, \"user\"), eq(metadata_value, \"u-1\"))", "agent"],
  ["and(eq(metadata_key, \"level\"), gt(metadata_value, 2))", "agent"],
  ["and(eq(metadata_key, \"level\"), eq(metadata_value, 1))", "model"],
  ["and(eq(metadata_key, \"beta\"), neq(metadata_value, true))", "model tool"],
  ["and(eq(metadata_key, \"beta\"), eq(metadata_value, true))", "agent"],
  ["eq(thread_id, \"t-1\")", "agent"],
  ["eq(error, null)", "agent model"],
  ["neq(error, null)", "tool"],
  ["eq(error, \"no route\")", "tool"],
  ["search(\"route\")", "tool"],
  ["search(\"Weather\")", "model"],
  ["eq(is_root, true)", "agent"],
  ["and(eq(run_type, \"llm\"), gt(total_tokens, 6), not(eq(status, \"error\")))", "model"],
  ["or(eq(name, \"tool\"), search(\"weather\"))", "model tool"],
  ["and(eq(status, \"success\"), or(lt(latency, 3), not(eq(is_root, false))))", "agent model"],
]) {
  await test(`filter ${filter}`, async () => assert.equal(await list({ filter }), expected));
}

for (const [filter, name] of [
  ["like(name, \"x\")", "like"],
  ["eq(colour, 1)", "colour"],
  ["gt(status, \"error\")", "status"],
  ["eq(name", "ends too early"],
  ["eq(name, \"a\") x", "malformed"],
  ["has(inputs, \"x\")", "inputs"],
  ["eq(latency, \"soon\")", "latency"],
]) {
  await test(`refused ${filter}`, () =>
    assert.rejects(list({ filter }), (error) => /400/.test(String(error)) && String(error).includes(name)));
}

await test("pages", async () => {
  const id = randomUUID();
  const runCreates = [];
  for (let i = 0; i < 250; i++) {
    const run = randomUUID();
    runCreates.push({
      id: run, trace_id: run, dotted_order: `20260301T100000000000Z${run}`, name: `run ${i}`,
      run_type: "chain", session_name: id, start_time: start + i,
    });
  }
  await client.batchIngestRuns({ runCreates });
  sent.length = 0;
  const all = await collect(client.listRuns({ projectName: id, select: ["id", "name"], order: "asc" }));
  assert.deepEqual(all.map((run) => run.id), runCreates.map((run) => run.id));
  assert.equal(sent.filter(({ line }) => line === "POST /runs/query").length, 3);
  assert.deepEqual(
    (await collect(client.listRuns({ projectName: id, limit: 2 }))).map((run) => run.name),
    ["run 249", "run 248"]);
  await client.deleteProject({ projectName: id });
});

await test("readRun", async () => {
  const run = await client.readRun(root.id, { loadChildRuns: true });
  assert.equal(run.name, "agent");
  assert.equal(run.status, "success");
  assert.equal(new Date(run.start_time).getTime(), start);
  assert.equal(new Date(run.end_time).getTime(), start + 5000);
  assert.equal(new Date(run.first_token_time).getTime(), start + 1500);
  assert.equal(run.total_tokens, 7);
  assert.deepEqual(run.child_runs.map((child) => child.name), ["model", "tool"]);
  assert.equal(run.child_runs[1].error, "no route");
  assert.deepEqual(run.tags, ["blue", "x\"y"]);
  assert.equal(run.extra.metadata.user, "u-1");
  await assert.rejects(client.readRun(randomUUID()), /404/);
});

await test("attachments", async () => {
  const run = await client.readRun(root.id);
  const file = await fetch(url + run.s3_urls["attachment.picture"].presigned_url,
    { headers: { "x-api-key": token } });
  assert.equal(file.headers.get("content-type"), "image/png");
  assert.deepEqual(new Uint8Array(await file.arrayBuffer()), new Uint8Array([1, 2, 3]));
});

await test("getRunUrl", async () => {
  const byId = await client.getRunUrl({ runId: root.id });
  assert.ok(byId.startsWith(`${url}/o/`) && byId.includes(`/r/${root.id}`));
  const run = await client.readRun(root.id);
  const byRun = await client.getRunUrl({ run, projectOpts: { projectName: "js" } });
  assert.equal(new URL(byRun).pathname, new URL(byId).pathname);
  assert.equal((await fetch(byId, { headers: { "x-api-key": token } })).status, 200);
});

await test("updateRun", async () => {
  const writer = newClient({ autoBatchTracing: false });
  const run = await client.readRun(model.id);
  await writer.updateRun(model.id, { outputs: { ...run.outputs, changed: true }, tags: ["late"] });
  const changed = await client.readRun(model.id);
  assert.deepEqual(changed.outputs, { ...run.outputs, changed: true });
  assert.deepEqual(changed.tags, ["late"]);
  assert.equal(changed.name, "model");
});

// What is not there is refused by name, and harms nothing.
await test("sharing", async () => {
  await assert.rejects(client.shareRun(root.id), /404.*\/share/s);
  assert.equal((await client.readRun(root.id)).share_token, null);
});

await test("another token", () =>
  assert.rejects(newClient({ apiKey: "lsv2_pt_0123456789" }).readRun(root.id), /401/));

// --- feedback

await test("feedback", async () => {
  const one = await client.createFeedback(root.id, "good", { score: 1, comment: "fine" });
  // with its trace, it is sent as a part of a multipart body
  sent.length = 0;
  const other = await client.createFeedback(root.id, "colour", {
    value: "red", traceId: root.id, sessionId: (await client.readRun(root.id)).session_id,
    feedbackSourceType: "model",
  });
  await client.awaitPendingTraceBatches();
  assert.equal(sent.filter(({ line }) => line === "POST /runs/multipart").length, 1);
  const keys = async (options) =>
    (await collect(client.listFeedback({ runIds: [root.id], ...options }))).map((f) => f.key).sort();
  assert.deepEqual(await keys({}), ["colour", "good"]);
  assert.deepEqual(await keys({ feedbackKeys: ["good", "bad"] }), ["good"]);
  assert.deepEqual(await keys({ feedbackSourceTypes: ["model"] }), ["colour"]);
  assert.deepEqual(await keys({ feedbackSourceTypes: ["api"] }), ["good"]);
  assert.deepEqual(await keys({ runIds: [model.id] }), []);
  assert.deepEqual((await client.readRun(root.id)).feedback_stats.good, { n: 1, avg: 1 });
  await client.updateFeedback(one.id, { score: 0 });
  const changed = await client.readFeedback(one.id);
  assert.deepEqual([changed.score, changed.comment], [0, "fine"]);
  await client.updateFeedback(one.id, { comment: null });
  assert.equal((await client.readFeedback(one.id)).comment, null);
  await client.deleteFeedback(one.id);
  await assert.rejects(client.readFeedback(one.id), /404/);
  assert.equal((await client.readFeedback(other.id)).value, "red");
});

// --- projects

await test("readProject", async () => {
  const project = await client.readProject({ projectName: "js", includeStats: true });
  assert.equal(project.run_count, 1);
  assert.equal(project.total_tokens, 7);
  // The client moves start times by some µs, in the order of the runs.
  assert.ok(Math.abs(project.latency_p50 - 5) < 0.001);
  assert.equal((await client.readProject({ projectId: project.id })).name, "js");
  assert.ok(await client.hasProject({ projectName: "js" }));
  assert.ok(!(await client.hasProject({ projectName: "none" })));
  await assert.rejects(client.readProject({ projectName: "none" }), /not found/);
  assert.ok((await client.getProjectUrl({ projectName: "js" })).includes(project.id));
});

await test("listProjects", async () => {
  const names = async (options) => (await collect(client.listProjects(options))).map((p) => p.name).sort();
  const { id } = await client.readProject({ projectName: "js" });
  assert.deepEqual(await names({ name: "js" }), ["js"]);
  assert.deepEqual(await names({ nameContains: "PLA" }), ["plain"]);
  assert.deepEqual(await names({ projectIds: [id] }), ["js"]);
  assert.deepEqual(await names({ referenceDatasetId: randomUUID() }), []);
  assert.deepEqual(await names({ referenceFree: false }), []);
  assert.equal((await names({ referenceFree: true })).length, 6);
});

await test("createProject, updateProject and deleteProject", async () => {
  const project = await client.createProject({ projectName: "other", description: "d", metadata: { a: 1 } });
  assert.equal(project.extra.metadata.a, 1);
  await assert.rejects(client.createProject({ projectName: "other" }), /409/);
  await client.createProject({ projectName: "other", upsert: true });
  assert.equal((await client.updateProject(project.id, { name: "renamed" })).name, "renamed");
  await client.deleteProject({ projectId: project.id });
  assert.ok(!(await client.hasProject({ projectName: "renamed" })));
  await client.deleteProject({ projectName: "js" });
  assert.ok(!(await client.hasProject({ projectName: "js" })));
  await assert.rejects(client.readRun(root.id), /404/);
});

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
