"""What one connection of a transport can do, tried out on running servers: yes or no, nothing about speed.

Two questions: can a client send on the connection on which it receives, and does the transport pass a proxy as that
comes. The lab's own clients ask, over plain sockets. No Locust here.
"""
