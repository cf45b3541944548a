"""What leaves the cluster through a gateway, with the credentials of each partner."""
