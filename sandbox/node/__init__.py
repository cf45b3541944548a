"""Pods of the sandbox as processes: Linkerd's own programs, real proxies, real requests.

A node takes namespaces of a running sandbox from kwok and runs their pods: each in a network
namespace of its own, set up by the real proxy-init, with the environment, arguments, volumes,
tokens and probes that its Pod object has after Linkerd's own injector has seen it. Linux, as
root, also of a user namespace.

    from sandbox.node import objects, shop
    from sandbox.node.node import missing, running

    reason = missing()                               # why it cannot be had here; None when it can
    with running(settings, ("linkerd", "shop")) as node:
        node.apply(*objects.shop("shop"))            # front -> cart -> stock, and two clients
        node.wait("shop")                            # every Deployment of a namespace is ready
        client = node.pod("shop", "client")          # a ready pod, by the label `app`
        reply = client.request("http://cart.shop:8080/")      # .status, .headers, .body
        report = client.load("http://cart.shop:8080/", rps=50, seconds=4)   # .statuses, .ms(50)
        with client.loading("http://cart.shop:8080/", rps=50) as load:      # while the block runs
            node.restart("linkerd", "linkerd-destination")
        load.report.failed                           # requests that were not answered with 2xx
        node.pod("shop", "cart").knobs(fail_every=2)  # see sandbox.node.shop
        client.metrics()                             # of its proxy, as text
        node.delete_pod(client)                      # a Deployment makes another

`running` takes `images` (the command of an image), `programs` (what a command starts, beside
Linkerd's) and `files` (of this machine, by the path at which pods find them). A volume may be
mounted anywhere: outside of /run its container has a root of its own.

- A client must have a time-out: `load` and `request` have one for every request.
- Only pods with a proxy reach a ClusterIP: nothing else translates it here. The node's DNS gives
  every other pod the addresses of a Service's ready pods, so ports and targetPorts must be equal.
- A deleted pod is out of its EndpointSlices for `drain_seconds` (or `preStop.sleep`) before its
  processes are asked to end, as in a cluster whose pods have such a hook.
- Everything ends with the process that has the node, however that ends; kwok then simulates the
  pods of these namespaces again.
"""
