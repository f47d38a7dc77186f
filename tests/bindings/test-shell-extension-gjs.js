#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The example of an extension of GNOME Shell, with stubs of the Shell's modules, a model and a
// tracing service: it is enabled, asked, set otherwise, cancelled and disabled.

imports.gi.versions.Lsobs = '1.0';
imports.gi.versions.Soup = '3.0';
const {Gio, GLib, Soup} = imports.gi;

Gio._promisify(Gio.Subprocess.prototype, 'wait_check_async');

const FOLDER = GLib.build_filenamev([GLib.getenv('LSOBS_EXAMPLES_SOURCE_DIR') ?? '', 'shell-extension']);
const TMP = GLib.dir_make_tmp('lsobs-shell-XXXXXX');

// The modules of the Shell that extensions import, as far as this one does.
const STUBS = {
    'extensions/extension.js': `
        import Gio from 'gi://Gio';
        export class Extension {
            constructor({uuid, settings}) {
                this.uuid = uuid;
                this.settings = settings;
            }
            getSettings() {
                return this.settings;
            }
        }`,
    'ui/main.js': `
        export const providers = new Set();
        export const notified = [];
        export const overview = {searchController: {
            addProvider: provider => providers.add(provider),
            removeProvider: provider => providers.delete(provider),
        }};
        export const notify = (...words) => notified.push(words);`,
};

function assertEqual(actual, expected) {
    const a = JSON.stringify(actual);
    const e = JSON.stringify(expected);
    if (a !== e)
        throw new Error(`${a} is not ${e}`);
}

function write(name, text) {
    const path = GLib.build_filenamev([TMP, name]);
    GLib.mkdir_with_parents(GLib.path_get_dirname(path), 0o700);
    GLib.file_set_contents(path, text);
    return path;
}

function runCommand(...argv) {
    return Gio.Subprocess.new(argv, Gio.SubprocessFlags.NONE).wait_check_async(null);
}

async function registerStubs() {
    const files = Object.keys(STUBS).map(name => `<file>${name}</file>`).join('');
    for (const [name, text] of Object.entries(STUBS))
        write(name, text);
    const source = write('shell.gresource.xml',
        `<gresources><gresource prefix="/org/gnome/shell">${files}</gresource></gresources>`);
    const target = GLib.build_filenamev([TMP, 'shell.gresource']);
    await runCommand('glib-compile-resources', `--sourcedir=${TMP}`, `--target=${target}`, source);
    Gio.resources_register(Gio.Resource.load(target));
}

async function newSettings(metadata) {
    await runCommand('glib-compile-schemas', '--strict', `--targetdir=${TMP}`, GLib.build_filenamev([FOLDER, 'schemas']));
    const source = Gio.SettingsSchemaSource.new_from_directory(TMP, Gio.SettingsSchemaSource.get_default(), false);
    return new Gio.Settings({settings_schema: source.lookup(metadata['settings-schema'], false)});
}

// The model and the tracing service.
class Services {
    bodies = [];
    held = [];
    holds = false;
    refuses = false;

    constructor() {
        this.server = new Soup.Server();
        const answer = (message, status, value) => {
            message.set_status(status, null);
            message.set_response('application/json', Soup.MemoryUse.COPY, new TextEncoder().encode(JSON.stringify(value)));
        };
        this.server.add_handler('/model', (_server, message) => {
            const {messages} = JSON.parse(new TextDecoder().decode(message.get_request_body().flatten().get_data()));
            if (this.holds) {
                message.pause();
                this.held.push(message);
            } else if (this.refuses) {
                answer(message, 503, {error: {message: 'overloaded'}});
            } else {
                answer(message, 200, {choices: [{index: 0, message: {role: 'assistant', content: `re: ${messages[0].content}`}}]});
            }
        });
        this.server.add_handler('/traces', (_server, message, path) => {
            if (path.endsWith('/info')) {
                answer(message, 200, {batch_ingest_config: {use_multipart_endpoint: true}});
                return;
            }
            this.bodies.push(new TextDecoder().decode(message.get_request_body().flatten().get_data()));
            answer(message, 202, {});
        });
        this.server.listen_local(0, Soup.ServerListenOptions.IPV4_ONLY);
        const [uri] = this.server.get_uris();
        this.url = `http://127.0.0.1:${uri.get_port()}`;
    }

    get text() {
        return this.bodies.join('\n');
    }

    close() {
        this.server.disconnect();
    }
}

// Waits until CONDITION holds, which something in the main loop brings about.
function until(condition) {
    return new Promise(resolve => GLib.idle_add(GLib.PRIORITY_LOW, () => {
        if (!condition())
            return GLib.SOURCE_CONTINUE;
        resolve();
        return GLib.SOURCE_REMOVE;
    }));
}

async function catchProblem(promise) {
    try {
        await promise;
    } catch (e) {
        return e;
    }
    throw new Error('nothing was thrown');
}

let AskExtension, Main, metadata, settings, services;

async function setUp() {
    await registerStubs();
    metadata = JSON.parse(new TextDecoder().decode(GLib.file_get_contents(GLib.build_filenamev([FOLDER, 'metadata.json']))[1]));
    settings = await newSettings(metadata);
    services = new Services();
    settings.set_string('model-url', `${services.url}/model/v1/chat/completions`);
    GLib.setenv('LANGSMITH_ENDPOINT', `${services.url}/traces`, true);
    GLib.setenv('LANGSMITH_API_KEY', 'lsv2_pt_0123456789abcdef', true);
    AskExtension = (await import(GLib.filename_to_uri(GLib.build_filenamev([FOLDER, 'extension.js']), null))).default;
    Main = await import('resource:///org/gnome/shell/ui/main.js');
}

function enable() {
    const extension = new AskExtension({uuid: metadata.uuid, settings});
    extension.enable();
    const [provider] = Main.providers;
    return [extension, provider];
}

// What enable() makes is gone after disable(), the thread that sends, too.
async function testUntraced() {
    const [extension, provider] = enable();
    assertEqual(await provider.getInitialResultSet(['find', 'me'], null), []);
    assertEqual(await provider.getInitialResultSet(['ask', 'how', 'far?'], null), ['how far?']);
    const [meta] = await provider.getResultMetas(['how far?']);
    assertEqual([meta.name, meta.description, meta.createIcon()], ['how far?', 're: how far?', null]);
    provider.activateResult('how far?');
    assertEqual(Main.notified, [['how far?', 're: how far?']]);
    await extension.disable();
    assertEqual([Main.providers.size, services.bodies.length], [0, 0]);
}

// Settings take effect while the extension is on.
async function testSettings() {
    const [extension, provider] = enable();
    await provider.getInitialResultSet(['ask', 'unseen'], null);
    settings.set_boolean('tracing', true);
    settings.set_string('project', 'first-project');
    await provider.getInitialResultSet(['ask', 'seen'], null);
    settings.set_string('project', 'second-project');
    await provider.getInitialResultSet(['ask', 'elsewhere'], null);
    // tracing can be turned off whatever the environment says
    GLib.setenv('LANGSMITH_TRACING_SAMPLING_RATE', 'often', true);
    settings.set_boolean('tracing', false);
    await provider.getInitialResultSet(['ask', 'hidden'], null);
    GLib.unsetenv('LANGSMITH_TRACING_SAMPLING_RATE');
    await extension.disable();
    const {text} = services;
    assertEqual(['unseen', 're: seen', 're: elsewhere', 'hidden'].map(word => text.includes(word)), [false, true, true, false]);
    assertEqual(['first-project', 'second-project'].map(word => text.includes(word)), [true, true]);
    settings.reset('project');
}

// What fails, is cancelled, or is under way when the extension is disabled, ends as such.
async function testEnds() {
    settings.set_boolean('tracing', true);
    services.bodies = [];
    const [extension, provider] = enable();
    services.refuses = true;
    assertEqual((await catchProblem(provider.getInitialResultSet(['ask', 'refused'], null))).message, 'overloaded');
    services.refuses = false;
    services.holds = true;
    const cancellable = new Gio.Cancellable();
    const cancelled = catchProblem(provider.getInitialResultSet(['ask', 'cancelled'], cancellable));
    await until(() => services.held.length === 1);
    cancellable.cancel();
    assertEqual((await cancelled).matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), true);
    const left = catchProblem(provider.getInitialResultSet(['ask', 'left'], null));
    await until(() => services.held.length === 2);
    await extension.disable();
    await left;
    services.holds = false;
    for (const message of services.held)
        message.unpause();
    const {text} = services;
    assertEqual(['refused', 'cancelled', 'left'].map(word => text.includes(word)), [true, true, true]);
    assertEqual(text.includes('HTTP 503: overloaded'), true);
    // each of the three has ended, and so has the call below each
    const ends = text.split('"end_time"').length - 1;
    assertEqual(ends, 6);
}

const tests = {testUntraced, testSettings, testEnds};
const loop = GLib.MainLoop.new(null, false);
let failed = false;

async function main() {
    if (!GLib.file_test(FOLDER, GLib.FileTest.IS_DIR) || !GLib.find_program_in_path('glib-compile-resources')) {
        print('1..0 # SKIP the example or glib-compile-resources is not there');
        return;
    }
    await setUp();
    print(`1..${Object.keys(tests).length}`);
    for (const [index, [name, test]] of Object.entries(tests).entries()) {
        try {
            // eslint-disable-next-line no-await-in-loop
            await test();
            print(`ok ${index + 1} ${name}`);
        } catch (e) {
            print(`# ${e}\n# ${(e.stack ?? '').trim().split('\n').join('\n# ')}`);
            print(`not ok ${index + 1} ${name}`);
            failed = true;
        }
    }
    services.close();
}

main().catch(e => {
    print(`Bail out! ${e}\n${e.stack}`);
    failed = true;
}).finally(() => loop.quit());
loop.run();
GLib.spawn_command_line_sync(`rm -r ${GLib.shell_quote(TMP)}`);
imports.system.exit(failed ? 1 : 0);
