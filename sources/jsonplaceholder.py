"""The sample: posts, comments and users of the public test API JSONPlaceholder.

API documentation: https://jsonplaceholder.typicode.com
"""

import msgspec

from sources.declaration import Api, Source, header_link


class Post(msgspec.Struct):
    """One post. Unknown fields stay in the column extra, outside the contract."""

    userId: int
    id: int
    title: str
    body: str


class Comment(msgspec.Struct):
    """One comment on a post."""

    postId: int
    id: int
    name: str
    email: str
    body: str


class Place(msgspec.Struct):
    """The coordinates of an address. The API gives them as texts."""

    lat: str
    lng: str


class Address(msgspec.Struct):
    """The address of a user."""

    street: str
    suite: str
    city: str
    zipcode: str
    geo: Place


class Company(msgspec.Struct):
    """The company of a user."""

    name: str
    catchPhrase: str
    bs: str


class User(msgspec.Struct):
    """One user: the author of posts."""

    id: int
    name: str
    username: str
    email: str
    address: Address
    phone: str
    website: str
    company: Company


API = Api(name="posts", base_url="https://jsonplaceholder.typicode.com", paginator=header_link())

POSTS = Source(api=API, name="posts", path="/posts", contract=Post, references={"userId": "users"})
COMMENTS = Source(
    api=API, name="comments", path="/comments", contract=Comment, references={"postId": "posts"}
)
USERS = Source(api=API, name="users", path="/users", contract=User)

SOURCES = (POSTS, COMMENTS, USERS)
