"""A mesh in a Pulumi program of anybody's: no Vault, no stack file, no checkout of ours.

pulumi install && pulumi stack init dev && pulumi config set cluster east && pulumi up
"""

import pulumi

from linkerd_platform import CertManager, CertManagerArgs, Linkerd, LinkerdArgs, Viz, VizArgs

config = pulumi.Config()
cluster = config.require("cluster")
mirror = config.get("chartMirror")  # where the charts' own repositories cannot be reached


def after(part: pulumi.Resource) -> pulumi.ResourceOptions:
    """Options of a component that needs another first."""
    return pulumi.ResourceOptions(depends_on=[part])


cert_manager = CertManager("cert-manager", CertManagerArgs(mirror=mirror))
linkerd = Linkerd("linkerd", LinkerdArgs(cluster=cluster, mirror=mirror), opts=after(cert_manager))
viz = Viz("viz", VizArgs(mirror=mirror), opts=after(linkerd))
pulumi.export("namespaces", ["cert-manager", "linkerd", "linkerd-viz"])
