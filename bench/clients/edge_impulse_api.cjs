// Edge Impulse's bindings for Node, `edge-impulse-api`, whose upload takes the files' bytes.
//
//     node edge_impulse_api.cjs JOB.json [--idle]
//
// Same job and same output as the Python clients, see job.py.
const fs = require("fs");
const path = require("path");
const { performance } = require("perf_hooks");
const { createRequire } = require("module");
const { EdgeImpulseApi } = createRequire(path.join(process.cwd(), "package.json"))("edge-impulse-api");

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf-8"));

async function main() {
    const begun = performance.now();
    const api = new EdgeImpulseApi({ endpoint: job.base_url });
    await api.authenticate({ method: "apiKey", apiKey: "ei_bench" });
    for (const item of job.items) {
        const answer = await api.organizationData.addOrganizationDataItem(1, {
            name: item.name,
            dataset: "bench",
            metadata: JSON.stringify({ subject: "s17", hand: "left" }),
            files: item.files.map((file) => ({
                value: fs.readFileSync(file),
                options: { filename: path.basename(file), contentType: "application/octet-stream" },
            })),
        });
        if (answer.success !== true) throw new Error(`refused: ${JSON.stringify(answer)}`);
    }
    console.log(JSON.stringify({ seconds: (performance.now() - begun) / 1000, outcomes: ["sent"] }));
}

if (!process.argv.includes("--idle")) {
    main().catch((error) => console.log(JSON.stringify({ error: String((error.cause || error).message) })));
}
