"""cert-manager, Linkerd and viz as four `helm.v4.Chart`, in the same versions as the platform."""

import json
import os

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.helm.v4 import Chart

# Chart name -> namespace, archive and values, given by the benchmark.
charts = json.loads(os.environ["BENCH_CHARTS"])
cluster = kubernetes.Provider("cluster", kubeconfig=os.environ["BENCH_KUBECONFIG"])
options = pulumi.ResourceOptions(provider=cluster)
after: list[pulumi.Resource] = [
    kubernetes.core.v1.Namespace(
        name, metadata={"name": name}, opts=pulumi.ResourceOptions(provider=cluster)
    )
    for name in sorted({chart["namespace"] for chart in charts.values()})
]
for name, chart in charts.items():
    after = [
        Chart(
            name,
            name=name,
            namespace=chart["namespace"],
            chart=chart["archive"],
            values=chart["values"],
            opts=pulumi.ResourceOptions.merge(
                options, pulumi.ResourceOptions(depends_on=list(after))
            ),
        )
    ]
